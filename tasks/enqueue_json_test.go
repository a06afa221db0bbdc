package tasks_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/tasks"
)

// toldOtherwise are the refused envelopes of which the script names another field
// than DecodeEnvelope, for the reasons given in envelope.lua.
var toldOtherwise = map[string]string{
	"018-unknown-field-with-control-characters": `"a?b"`,
	"041-half-a-surrogate-pair-in-room":         "(envelope)",
	"049-half-a-surrogate-pair-in-text":         "(envelope)",
	"050-high-surrogate-and-no-low-one":         "(envelope)",
	"082-half-a-surrogate-pair-in-caption":      "(envelope)",
	"098-half-a-surrogate-pair-in-metadata":     "(envelope)",
	"099-metadata-nested-too-deep":              "(envelope)",
	"119-session-key-nested-too-deep":           "(envelope)",
}

// undecided takes the knowledge of bridges out of a setup: what remains of a
// verdict is about the envelope alone.
func undecided(s *handlers.Config) { s.Bridges, s.Capacity = nil, 1<<30 }

// fieldRefused is the field the script finds at fault, "" if it takes the envelope.
func fieldRefused(t testing.TB, f foreign, envelope string) string {
	t.Helper()
	_, err := f.enqueue(t.Context(), "{}", envelope)
	if err == nil || strings.HasPrefix(err.Error(), "OUTGATE_IDEMPOTENCY_MISMATCH") {
		return ""
	}
	if r := tasks.ParseRefusal(err.Error()); r != nil && r.Code == tasks.CodeInvalid && r.Text != "" {
		return r.Field
	} else if r != nil && r.Code == tasks.CodeTooLarge {
		return "too large"
	}
	t.Fatalf("the script answers %q to %q", err, envelope)
	return ""
}

// fieldOf is the field DecodeEnvelope finds at fault, "" if it takes the envelope.
func fieldOf(t testing.TB, envelope string) string {
	t.Helper()
	_, err := tasks.DecodeEnvelope([]byte(envelope), 0)
	if invalid, ok := errors.AsType[*tasks.InvalidError](err); ok {
		return invalid.Field
	} else if errors.Is(err, tasks.ErrTooLarge) {
		return "too large"
	}
	must(t, err)
	return ""
}

func TestScriptRefusesTheGoldenEnvelopesAsDecodeEnvelopeDoes(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		announce(t, rdb, undecided)
		client := newForeign(t, rdb)
		for name, data := range goldenFiles(t, "testdata/envelopes/refused/*.json") {
			want, ok := toldOtherwise[name]
			if !ok {
				want = fieldOf(t, string(data))
			}
			if got := fieldRefused(t, client, string(data)); got != want || got == "" {
				t.Errorf("%s: the script finds fault with %q, want %q", name, got, want)
			}
		}
	})
}

func TestScriptKeepsTheGoldenEnvelopesUntouched(t *testing.T) {
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		s := announce(t, rdb, undecided)
		client := newForeign(t, rdb)
		for name, data := range goldenFiles(t, "testdata/envelopes/*.json") {
			e, err := tasks.DecodeEnvelope(data, 0)
			must(t, err)
			r := client.admit(t, string(data))
			if r.Status != tasks.Accepted || r.RoutingKey != e.RoutingKey() {
				t.Errorf("%s: receipt %+v", name, r)
			}
			task := readTask(t, rdb, s.Scheme.Queue(r.Partition), r.ID)
			if string(task.Message.Payload) != string(data) || task.Message.Type != "outgate:"+string(e.Operation) {
				t.Errorf("%s: the task holds a %s of %q", name, task.Message.Type, task.Message.Payload)
			}
			if want := e.Fingerprint(); e.IdempotencyKey != "" && task.Message.Headers["outgate-fingerprint"] != want {
				t.Errorf("%s: fingerprint %v, want %s", name, task.Message.Headers, want)
			}
		}
	})
}

// A value with one weakness, in an envelope that is fine otherwise.
func withMetadata(json string) string {
	return `{"operation":"send","bridge_id":"tg","external_room_id":"1","payload":"x","opts":{"metadata":{"v":` + json + `}}}`
}

func withText(json string) string {
	return `{"operation":"send","bridge_id":"tg","external_room_id":"1","payload":` + json + `}`
}

func withField(name, json string) string {
	return `{"operation":"send","bridge_id":"tg","external_room_id":"1","payload":"x","` + name + `":` + json + `}`
}

func withURL(url string) string {
	quoted, _ := json.Marshal(url)
	return `{"operation":"send_media","bridge_id":"tg","external_room_id":"1","payload":{"kind":"image","url":` + string(quoted) + `}}`
}

// leniencies are where a JSON decoder in Lua or a pattern is tempted to be more
// generous, or less, than the contract. "" is an envelope to be taken.
var leniencies = map[string]struct{ envelope, field string }{
	"a raw tab inside a string":                  {withText("\"a\tb\""), "(envelope)"},
	"a raw line break behind an escaped quote":   {withText("\"a\\\"\nb\""), "(envelope)"},
	"a raw line break behind a backslash":        {withText("\"a\\\\\",\n\"opts\":{\"metadata\":{\"a\":\"\n\"}}"), "(envelope)"},
	"a raw bell in metadata":                     {withMetadata("\"\a\""), "(envelope)"},
	"a raw control character in a name":          {withMetadata("{\"a\rb\":1}"), "(envelope)"},
	"a raw DEL is a character":                   {withText("\"a\x7fb\""), ""},
	"white space between the values":             {strings.ReplaceAll(withMetadata("[ 1 ,\t2 ]"), ":", " :\r\n\t"), ""},
	"a form feed between the values":             {strings.Replace(withText(`"x"`), ",", ",\f", 1), "(envelope)"},
	"bytes behind a NUL":                         {withText(`"x"`) + "\x00 and more", "(envelope)"},
	"a number with a leading zero":               {withMetadata("01"), "(envelope)"},
	"a negative number with a leading zero":      {withMetadata("-01"), "(envelope)"},
	"two zeros in a list":                        {withMetadata("[00]"), "(envelope)"},
	"zeros where they may be":                    {withMetadata("[0,-0,0.05,-0.0,1e05,1E-05,2e+00,100,10.01]"), ""},
	"a hexadecimal number":                       {withMetadata("0x1F"), "(envelope)"},
	"a number with a plus":                       {withMetadata("+1"), "(envelope)"},
	"a number that ends in a point":              {withMetadata("[1.]"), "(envelope)"},
	"a number with a point before the exponent":  {withMetadata("1.e5"), "(envelope)"},
	"a number that begins with a point":          {withMetadata("-.5"), "(envelope)"},
	"not a number":                               {withMetadata("NaN"), "(envelope)"},
	"not a number in lower case":                 {withMetadata("nan"), "(envelope)"},
	"not a number in mixed case":                 {withMetadata("[nAn]"), "(envelope)"},
	"infinity":                                   {withMetadata("-Infinity"), "(envelope)"},
	"infinity in short":                          {withMetadata("[1,inf]"), "(envelope)"},
	"such numbers inside strings":                {withMetadata(`["01","0x1","NaN",": 1.","+1"," \"-.5"]`), ""},
	"the literals":                               {withMetadata("[true,false,null]"), ""},
	"a literal in capitals":                      {withMetadata("True"), "(envelope)"},
	"an integer beside fractions":                {withField("max_attempts", `3,"opts":{"metadata":{"max_attempts":3.5}}`), ""},
	"a fraction beside the same integer":         {withField("max_attempts", `3.0,"opts":{"metadata":{"max_attempts":3}}`), "max_attempts"},
	"a fraction under an escaped name":           {withField(`max_\u0061ttempts`, `30e-1`), "max_attempts"},
	"an integer under an escaped name":           {withField(`max_\u0061ttempts`, `30,"opts":{"metadata":{"v":1.0}}`), ""},
	"a fraction in a text":                       {withField("max_attempts", `3,"correlation_id":"max_attempts:3.0"`), ""},
	"an integer just too large":                  {withField("expires_at_ms", "9007199254740992"), "expires_at_ms"},
	"minus zero":                                 {withField("expires_at_ms", "-0"), "expires_at_ms"},
	"true for an integer":                        {withField("max_attempts", "true"), "max_attempts"},
	"an empty list for options":                  {withField("opts", "[ ]"), "opts"},
	"a list with null for options":               {withField("opts", "[null]"), "opts"},
	"an empty list for metadata":                 {withField("opts", `{"metadata":[]}`), "opts.metadata"},
	"an empty list for a session key":            {withField("session_key", "[]"), "session_key"},
	"an empty object for a session key":          {withField("session_key", `{},"route_resolution":{"a":[],"b":["[]"]}`), ""},
	"an empty list for media":                    {`{"operation":"send_media","bridge_id":"tg","external_room_id":"1","payload":[]}`, "payload"},
	"an empty object for media":                  {`{"operation":"send_media","bridge_id":"tg","external_room_id":"1","payload":{}}`, "payload.kind"},
	"a list for a text":                          {withText("[]"), "payload"},
	"a list for the envelope":                    {"[" + withText(`"x"`) + "]", "(envelope)"},
	"the last of duplicate names is null":        {withField("priority", `"low","priority":null`), ""},
	"a whole surrogate pair":                     {withText(`"\ud83d\ude00 \uD83D\uDE00"`), ""},
	"an escaped backslash before u":              {withText(`"\\ud83d \\\\uDE00"`), ""},
	"a half pair behind an escaped backslash":    {withText(`"\\\ud83d"`), "(envelope)"},
	"two high halves":                            {withText(`"\ud83d\ud83d\ude00"`), "(envelope)"},
	"an overlong encoding":                       {withText("\"\xc0\xaf\""), "(envelope)"},
	"an overlong encoding in three bytes":        {withText("\"\xe0\x9f\xbf\""), "(envelope)"},
	"an encoded surrogate":                       {withText("\"\xed\xa0\x80\""), "(envelope)"},
	"a code point beyond all":                    {withText("\"\xf4\x90\x80\x80\""), "(envelope)"},
	"a character cut by a quote":                 {withText("\"\xe4\xb8\""), "(envelope)"},
	"a character cut by another":                 {withText("\"\xe4\xb8\xe4\xb8\xad\""), "(envelope)"},
	"a character around another":                 {withText("\"\xc3\xe4\xb8\xad\xa4\""), "(envelope)"},
	"a byte too many":                            {withText("\"\xc3\xa4\xa4\""), "(envelope)"},
	"the first and last characters of each form": {withText("\"\u0080\u07ff\u0800\u0fff\u1000\ud7ff\ue000\uffff\U00010000\U0003ffff\U00040000\U000fffff\U00100000\U0010ffff\""), ""},
	"a thousand levels":                          {withMetadata(strings.Repeat("[", 997) + strings.Repeat("]", 997)), ""},
	"a thousand levels and one":                  {withMetadata(strings.Repeat("[", 998) + strings.Repeat("]", 998)), "(envelope)"},
	"a long name of a field":                     {withField(strings.Repeat("é", 500), "1"), `"` + strings.Repeat("?", 64) + `"`},
	"a name that looks like an error":            {withField("a: b\\r\\n", "1"), `"a? b??"`},
	"a field without a name":                     {withField("", "1"), `""`},
	"two priorities in one":                      {withField("priority", `"high normal"`), "priority"},
	"a channel of any length":                    {withField("channel", `"`+strings.Repeat("c", 5000)+`\u0001"`), ""},
	"a thread of any length":                     {withField("opts", `{"thread_id":"`+strings.Repeat("t", 5000)+`\u0001","reply_to":"\n"}`), ""},
	"an empty correlation id":                    {withField("correlation_id", `""`), "correlation_id"},
	"an empty priority":                          {withField("priority", `""`), "priority"},
	"a C1 control character in a key":            {withField("idempotency_key", "\"a\u0085b\""), "idempotency_key"},
	"an escaped NUL in a key":                    {withField("idempotency_key", `"a\u0000b"`), "idempotency_key"},
	"what only looks like a C1 control":          {withField("idempotency_key", "\"\u00e2\u0082\u00ac ab\""), "idempotency_key"},
	"an umlaut in a key":                         {withField("idempotency_key", "\"\u00fc\u20ac\""), ""},

	"a URL with all its parts":             {withURL("HTTPS://us%C3%A9r:p@ss@h-o_s.t~:8080/p%20th;a=1//x?q=%zz#fr%41g"), ""},
	"a URL of a host alone":                {withURL("http://h"), ""},
	"a URL with an empty port":             {withURL("http://h:"), ""},
	"a URL with two ports":                 {withURL("http://h:1:2/"), "payload.url"},
	"a URL with letters for a port":        {withURL("http://h:http/"), "payload.url"},
	"a URL with a user and no host":        {withURL("http://u@/"), "payload.url"},
	"a URL with one slash":                 {withURL("http:/h/"), "payload.url"},
	"a URL with no slash":                  {withURL("http:h"), "payload.url"},
	"a URL with a query behind the host":   {withURL("http://h?a/b"), ""},
	"a URL with a fragment behind it":      {withURL("http://h#a?b"), ""},
	"a URL with a blank in the host":       {withURL("http://a b/"), "payload.url"},
	"a URL with a blank in the path":       {withURL("http://h/a b"), ""},
	"a URL with a blank in the user":       {withURL("http://a b@h/"), "payload.url"},
	"a URL with a line break":              {withURL("http://h/a\nb"), "payload.url"},
	"a URL with a DEL":                     {withURL("http://h/a\x7fb"), "payload.url"},
	"a URL with half an escape":            {withURL("http://h/%4"), "payload.url"},
	"a URL with half an escape behind it":  {withURL("http://h/#%"), "payload.url"},
	"a URL with half an escape in a query": {withURL("http://h/?%"), ""},
	"a URL with a broken escape in a user": {withURL("http://%zz@h/"), "payload.url"},
	"a URL with an escaped letter in host": {withURL("http://%41/"), "payload.url"},
	"a URL with an escaped byte in host":   {withURL("http://%c3%a4/"), ""},
	"a URL with an escaped percent sign":   {withURL("http://a%25b/"), ""},
	"a URL with a host of any script":      {withURL("http://bücher.example/ä"), ""},
	"a URL with brackets in the host":      {withURL("http://a[b]/"), "payload.url"},
	"a URL with a backslash in the host":   {withURL(`http://a\b/`), "payload.url"},
	"a URL of an IPv6 address":             {withURL("http://[2001:db8::1]:80/"), ""},
	"a URL of a full IPv6 address":         {withURL("http://[1:2:3:4:5:6:7:abcd]/"), ""},
	"a URL of the unspecified address":     {withURL("http://[::]/"), ""},
	"a URL of too short an IPv6 address":   {withURL("http://[1:2]/"), "payload.url"},
	"a URL of too long an IPv6 address":    {withURL("http://[1:2:3:4:5:6:7:8:9]/"), "payload.url"},
	"a URL of a gap of nothing":            {withURL("http://[1:2:3:4::5:6:7:8]/"), "payload.url"},
	"a URL of two gaps":                    {withURL("http://[1::2::3]/"), "payload.url"},
	"a URL of an IPv4 address in brackets": {withURL("http://[1.2.3.4]/"), "payload.url"},
	"a URL of text behind the brackets":    {withURL("http://[::1]x/"), "payload.url"},
	"a URL of a bracket that stays open":   {withURL("http://[::1/"), "payload.url"},
}

func TestScriptIsAsStrictAsDecodeEnvelope(t *testing.T) {
	otherInGo := map[string]string{ // the field DecodeEnvelope names instead
		"a half pair behind an escaped backslash": "payload",
		"two high halves":                         "payload",
		"a thousand levels and one":               "opts.metadata",
		"a long name of a field":                  `"` + strings.Repeat(`\u00e9`, 32) + `"`,
		"a name that looks like an error":         `"a: b\r\n"`,
	}
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		announce(t, rdb, undecided)
		client := newForeign(t, rdb)
		for name, tt := range leniencies {
			if got := fieldRefused(t, client, tt.envelope); got != tt.field {
				t.Errorf("%s: the script finds fault with %q, want %q", name, got, tt.field)
			}
			want, ok := otherInGo[name]
			if !ok {
				want = tt.field
			}
			if got := fieldOf(t, tt.envelope); got != want {
				t.Errorf("%s: DecodeEnvelope finds fault with %q, want %q", name, got, want)
			}
		}
	})
}

func TestScriptIsStricterThanDecodeEnvelopeWhereItSaysSo(t *testing.T) {
	rdb := redistest.Embedded(t)
	announce(t, rdb, undecided)
	client := newForeign(t, rdb)
	for _, url := range []string{"http://[fe80::1%25en0]/", "http://[::ffff:1.2.3.4]/"} {
		if got := fieldOf(t, withURL(url)); got != "" {
			t.Errorf("%s: DecodeEnvelope finds fault with %s", url, got)
		}
		if got := fieldRefused(t, client, withURL(url)); got != "payload.url" {
			t.Errorf("%s: the script finds fault with %q, want payload.url", url, got)
		}
	}
}

func TestErrorsOfTheScriptAreOneShortLine(t *testing.T) {
	rdb := redistest.Embedded(t)
	announce(t, rdb)
	client := newForeign(t, rdb)
	long := strings.Repeat(`\r\n\u0000"'`, 1000)
	for name, envelope := range map[string]string{
		"an unknown field":   withField(strings.ReplaceAll(long, `"`, `\"`), "1"),
		"an unknown option":  withField("opts", `{"`+strings.ReplaceAll(long, `"`, `\"`)+`":1}`),
		"an unknown channel": withField("channel", `"`+strings.ReplaceAll(long, `"`, `\"`)+`"`),
	} {
		_, err := client.enqueue(t.Context(), "{}", envelope)
		if err == nil || len(err.Error()) > 200 || strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }) {
			t.Errorf("%s: %.300q", name, err)
		}
	}
}

// sameContent are pairs of texts of one content, and of different ones.
func TestFingerprintSeesContentAndNotItsWriting(t *testing.T) {
	const first = `{"operation":"send","bridge_id":"tg","external_room_id":"1","payload":"Grüße 😀 \"<&>\" /","idempotency_key":"k"}`
	const media = `{"operation":"send_media","bridge_id":"tg","external_room_id":"1","idempotency_key":"m",` +
		`"payload":{"kind":"image","url":"https://e.com/a?b&c","width":1024,"caption":"ä"}}`
	tests := map[string]struct {
		first, second string
		same          bool
	}{
		"other order of the keys": {first, `{"idempotency_key":"k","payload":"Grüße 😀 \"<&>\" /","external_room_id":"1","bridge_id":"tg","operation":"send"}`, true},
		"other white space":       {first, strings.NewReplacer(`":"`, "\" :\n\t\"", `","`, "\" ,\r\n \"").Replace(first), true},
		"other escapes":           {first, strings.NewReplacer("ü", `\u00fc`, "😀", `\uD83D\ude00`, `/"`, `\/"`, "<", `\u003C`).Replace(first), true},
		"other fields beside":     {first, strings.Replace(first, "{", `{"priority":"high","correlation_id":"c","max_attempts":2,`, 1), true},
		"a blank more":            {first, strings.Replace(first, " /", "  /", 1), false},
		"media in other order":    {media, `{"payload":{"caption":"\u00e4","data":"","width":1024,"height":null,"url":"https:\/\/e.com\/a?b&c","kind":"image"},"operation":"send_media","idempotency_key":"m","bridge_id":"tg","external_room_id":"1"}`, true},
		"media of another width":  {media, strings.Replace(media, "1024", "1025", 1), false},
		"media with a file name":  {media, strings.Replace(media, `"caption"`, `"filename":"a","caption"`, 1), false},
	}
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		for name, tt := range tests {
			must(t, rdb.FlushDB(t.Context()).Err())
			announce(t, rdb)
			client := newForeign(t, rdb)
			client.admit(t, tt.first)
			_, err := client.enqueue(t.Context(), "{}", tt.second)
			if same := err == nil; same != tt.same {
				t.Errorf("%s: %v", name, err)
			}
			one, err := tasks.DecodeEnvelope([]byte(tt.first), 0)
			must(t, err)
			other, err := tasks.DecodeEnvelope([]byte(tt.second), 0)
			must(t, err)
			if same := one.Fingerprint() == other.Fingerprint(); same != tt.same {
				t.Errorf("%s: Go sees the same content: %v", name, same)
			}
		}
	})
}

func TestScriptComputesTheFingerprintsOfTheVectors(t *testing.T) {
	var vectors []fingerprintVector
	must(t, json.Unmarshal(goldenFiles(t, "testdata/fingerprint.json")["fingerprint"], &vectors))
	redistest.OnBoth(t, func(t *testing.T, rdb *redis.Client) {
		s := announce(t, rdb, undecided)
		client := newForeign(t, rdb)
		for i, v := range vectors {
			var fields map[string]json.RawMessage
			must(t, json.Unmarshal(v.Envelope, &fields))
			fields["idempotency_key"] = json.RawMessage(strconv.Quote(fmt.Sprint("key ", i)))
			data, err := json.Marshal(fields)
			must(t, err)
			r := client.admit(t, string(data))
			task := readTask(t, rdb, s.Scheme.Queue(r.Partition), r.ID)
			if got := task.Message.Headers["outgate-fingerprint"]; got != v.Fingerprint {
				t.Errorf("%s: %s, want %s", v.Name, got, v.Fingerprint)
			}
		}
	})
}

// BenchmarkScript reports the CPU time Redis spends on one envelope as JSON.
func BenchmarkScript(b *testing.B) {
	const size = 255 << 10
	fill := func(s string) string { return strings.Repeat(s, size/len(s)) }
	benchmarks := []struct{ name, envelope string }{
		{"small", withText(`"Order 1234 has left the warehouse."`)},
		{"small with a key", withField("idempotency_key", `"order-1234-shipped","correlation_id":"req-77","priority":"high"`)},
		{"small in Chinese", withText(`"您的订单 1234 已从仓库发出。"`)},
		{"256 KB of ASCII", withText(`"` + fill("A line of text. ") + `"`)},
		{"256 KB of Chinese", withText(`"` + fill("您的订单已从仓库发出") + `"`)},
		{"256 KB of German", withText(`"` + fill("Größe über Länge, ") + `"`)},
		{"256 KB of emoji", withText(`"` + fill("😀") + `"`)},
		{"256 KB of line breaks", withText(`"` + fill(`\n`) + `"`)},
		{"256 KB of quotes", withText(`"` + fill(`\"`) + `"`)},
		{"256 KB of unicode escapes", withText(`"` + fill(`\u4e2d`) + `"`)},
		{"256 KB of base64", strings.Replace(withURL("x"), `"url":"x"`, `"data":"`+fill("aGVsbG8g")+`"`, 1)},
		{"256 KB of numbers", withMetadata("[" + fill("1234,") + "0]")},
		{"256 KB of strings", withMetadata("[" + fill(`"ab",`) + "0]")},
	}
	rdb := redistest.Start(b).Client()
	for _, bb := range benchmarks {
		b.Run(bb.name, func(b *testing.B) {
			must(b, rdb.FlushAll(b.Context()).Err())
			announce(b, rdb, undecided)
			client := newForeign(b, rdb)
			before := cpuOf(b, rdb)
			for i := 0; b.Loop(); i++ {
				_, err := client.enqueue(b.Context(), "{}", bb.envelope)
				must(b, err)
			}
			b.ReportMetric((cpuOf(b, rdb)-before)*1e6/float64(b.N), "redis-µs/op")
		})
	}
}

var usedCPU = regexp.MustCompile(`used_cpu_(?:sys|user)_main_thread:([\d.]+)`)

// cpuOf is the CPU time of the thread that runs commands, in seconds.
func cpuOf(b *testing.B, rdb *redis.Client) (seconds float64) {
	b.Helper()
	info, err := rdb.Info(b.Context(), "cpu").Result()
	must(b, err)
	for _, m := range usedCPU.FindAllStringSubmatch(info, -1) {
		used, err := strconv.ParseFloat(m[1], 64)
		must(b, err)
		seconds += used
	}
	return seconds
}
