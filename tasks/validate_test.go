package tasks_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/outgate/outgate/tasks"
)

func TestValidateNamesTheFieldOfAnEnvelopeBuiltInGo(t *testing.T) {
	text := func() tasks.Envelope {
		return tasks.Envelope{
			Operation: tasks.Send, BridgeID: "b", ExternalRoomID: "1", Payload: tasks.Text("x"), Opts: &tasks.Opts{},
		}
	}
	media := func() tasks.Envelope {
		e := text()
		e.Operation = tasks.SendMedia
		e.Payload = tasks.Payload{Media: &tasks.Media{Kind: tasks.Image, URL: "https://example.com/a.png"}}
		return e
	}
	const broken = "a\xff"
	tests := map[string]struct {
		from   func() tasks.Envelope
		change func(*tasks.Envelope)
		want   string
	}{
		"a text is fine":            {text, func(*tasks.Envelope) {}, ""},
		"media are fine":            {media, func(*tasks.Envelope) {}, ""},
		"options may be left out":   {text, func(e *tasks.Envelope) { e.Opts = nil }, ""},
		"a backoff may stand alone": {text, func(e *tasks.Envelope) { e.BaseBackoffMS = 9 }, ""},
		"the zero envelope":         {text, func(e *tasks.Envelope) { *e = tasks.Envelope{} }, "operation"},
		"an unknown operation":      {text, func(e *tasks.Envelope) { e.Operation = "delete" }, "operation"},
		"a bridge with a colon":     {text, func(e *tasks.Envelope) { e.BridgeID = "a:b" }, "bridge_id"},
		"no bridge":                 {text, func(e *tasks.Envelope) { e.BridgeID = "" }, "bridge_id"},
		"no room":                   {text, func(e *tasks.Envelope) { e.ExternalRoomID = "" }, "external_room_id"},
		"a room in broken UTF-8":    {text, func(e *tasks.Envelope) { e.ExternalRoomID = broken }, "external_room_id"},
		"a room with a bell":        {text, func(e *tasks.Envelope) { e.ExternalRoomID = "\a" }, "external_room_id"},
		"a channel in broken UTF-8": {text, func(e *tasks.Envelope) { e.Channel = broken }, "channel"},
		"no text":                   {text, func(e *tasks.Envelope) { e.Payload.Text = "" }, "payload"},
		"a text in broken UTF-8":    {text, func(e *tasks.Envelope) { e.Payload.Text = broken }, "payload"},
		"media for a text": {text, func(e *tasks.Envelope) {
			e.Payload.Media = &tasks.Media{Kind: tasks.Image, URL: "https://example.com/a.png"}
		}, "payload"},
		"a text for media":             {media, func(e *tasks.Envelope) { e.Payload = tasks.Text("x") }, "payload"},
		"a text beside media":          {media, func(e *tasks.Envelope) { e.Payload.Text = "x" }, "payload"},
		"no media":                     {media, func(e *tasks.Envelope) { e.Payload.Media = nil }, "payload"},
		"no kind":                      {media, func(e *tasks.Envelope) { e.Payload.Media.Kind = "" }, "payload.kind"},
		"an unknown kind":              {media, func(e *tasks.Envelope) { e.Payload.Media.Kind = "gif" }, "payload.kind"},
		"neither url nor data":         {media, func(e *tasks.Envelope) { e.Payload.Media.URL = "" }, "payload.url"},
		"url and data":                 {media, func(e *tasks.Envelope) { e.Payload.Media.Data = "aGk=" }, "payload.data"},
		"a relative url":               {media, func(e *tasks.Envelope) { e.Payload.Media.URL = "a.png" }, "payload.url"},
		"a url in broken UTF-8":        {media, func(e *tasks.Envelope) { e.Payload.Media.URL += broken }, "payload.url"},
		"a media type in broken UTF-8": {media, func(e *tasks.Envelope) { e.Payload.Media.MediaType = broken }, "payload.media_type"},
		"a file name in broken UTF-8":  {media, func(e *tasks.Envelope) { e.Payload.Media.Filename = broken }, "payload.filename"},
		"a negative size":              {media, func(e *tasks.Envelope) { e.Payload.Media.SizeBytes = -1 }, "payload.size_bytes"},
		"a negative width":             {media, func(e *tasks.Envelope) { e.Payload.Media.Width = -1 }, "payload.width"},
		"a negative height":            {media, func(e *tasks.Envelope) { e.Payload.Media.Height = -1 }, "payload.height"},
		"a negative duration":          {media, func(e *tasks.Envelope) { e.Payload.Media.Duration = -1 }, "payload.duration"},
		"a relative thumbnail":         {media, func(e *tasks.Envelope) { e.Payload.Media.ThumbnailURL = "a" }, "payload.thumbnail_url"},
		"a caption in broken UTF-8":    {media, func(e *tasks.Envelope) { e.Payload.Media.Caption = broken }, "payload.caption"},
		"a fallback in broken UTF-8":   {media, func(e *tasks.Envelope) { e.Payload.Media.FallbackText = broken }, "payload.fallback_text"},
		"an edit of nothing":           {text, func(e *tasks.Envelope) { e.Operation = tasks.Edit }, "external_message_id"},
		"a send that names a message":  {text, func(e *tasks.Envelope) { e.ExternalMessageID = "7" }, "external_message_id"},
		"a message in broken UTF-8": {text, func(e *tasks.Envelope) {
			e.Operation, e.ExternalMessageID = tasks.Edit, broken
		}, "external_message_id"},
		"an unknown format":                {text, func(e *tasks.Envelope) { e.Opts.Format = "rtf" }, "opts.format"},
		"a reply in broken UTF-8":          {text, func(e *tasks.Envelope) { e.Opts.ReplyTo = broken }, "opts.reply_to"},
		"a thread in broken UTF-8":         {text, func(e *tasks.Envelope) { e.Opts.ThreadID = broken }, "opts.thread_id"},
		"an unknown media policy":          {text, func(e *tasks.Envelope) { e.Opts.MediaPolicy = "x" }, "opts.media_policy"},
		"metadata that are a list":         {text, func(e *tasks.Envelope) { e.Opts.Metadata = raw(`[1]`) }, "opts.metadata"},
		"metadata that are no JSON":        {text, func(e *tasks.Envelope) { e.Opts.Metadata = raw(`{a}`) }, "opts.metadata"},
		"metadata that are blank":          {text, func(e *tasks.Envelope) { e.Opts.Metadata = raw(` `) }, "opts.metadata"},
		"metadata in broken UTF-8":         {text, func(e *tasks.Envelope) { e.Opts.Metadata = raw(`{"a":"` + broken + `"}`) }, "opts.metadata"},
		"a key that is too long":           {text, func(e *tasks.Envelope) { e.IdempotencyKey = strings.Repeat("k", 256) }, "idempotency_key"},
		"an unknown priority":              {text, func(e *tasks.Envelope) { e.Priority = "urgent" }, "priority"},
		"negative attempts":                {text, func(e *tasks.Envelope) { e.MaxAttempts = -1 }, "max_attempts"},
		"a negative base":                  {text, func(e *tasks.Envelope) { e.BaseBackoffMS = -1 }, "base_backoff_ms"},
		"a negative maximum":               {text, func(e *tasks.Envelope) { e.MaxBackoffMS = -1 }, "max_backoff_ms"},
		"a maximum below the base":         {text, func(e *tasks.Envelope) { e.BaseBackoffMS, e.MaxBackoffMS = 2, 1 }, "max_backoff_ms"},
		"an end before 1970":               {text, func(e *tasks.Envelope) { e.ExpiresAtMS = -1 }, "expires_at_ms"},
		"an end nobody can write":          {text, func(e *tasks.Envelope) { e.ExpiresAtMS = 1 << 53 }, "expires_at_ms"},
		"a session key of null":            {text, func(e *tasks.Envelope) { e.SessionKey = raw(`null`) }, "session_key"},
		"a route that is a text":           {text, func(e *tasks.Envelope) { e.RouteResolution = raw(`"x"`) }, "route_resolution"},
		"half a pair in a route":           {text, func(e *tasks.Envelope) { e.RouteResolution = raw(`{"a":"\ud83d\n"}`) }, "route_resolution"},
		"a correlation id in broken UTF-8": {text, func(e *tasks.Envelope) { e.CorrelationID = broken }, "correlation_id"},
		"a traceparent with a wrong separator": {text, func(e *tasks.Envelope) {
			e.Traceparent = "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01"
		}, "traceparent"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e := tt.from()
			tt.change(&e)
			err := e.Validate()
			invalid, _ := errors.AsType[*tasks.InvalidError](err)
			switch {
			case tt.want == "" && err != nil:
				t.Fatalf("Validate = %v, want nil", err)
			case tt.want != "" && (invalid == nil || invalid.Field != tt.want):
				t.Fatalf("Validate = %v, want a fault of %s", err, tt.want)
			}
			data, encodeErr := e.Encode()
			if (encodeErr == nil) != (err == nil) || (err != nil && encodeErr.Error() != err.Error()) {
				t.Errorf("Encode = %v, Validate = %v", encodeErr, err)
			}
			if err == nil {
				if _, err := tasks.DecodeEnvelope(data, 0); err != nil {
					t.Errorf("DecodeEnvelope of what Encode wrote: %v", err)
				}
			}
		})
	}
}

func TestCarriedObjectsMayNestAsDeepAsRedisReads(t *testing.T) {
	nested := func(levels int) json.RawMessage {
		return raw(strings.Repeat(`{"a":`, levels) + `"]"` + strings.Repeat("}", levels))
	}
	tests := map[string]struct {
		metadata, session int
		want              string
	}{
		"1000 levels with those around it": {metadata: 998, session: 999},
		"one more in metadata":             {metadata: 999, session: 1, want: "opts.metadata"},
		"one more in the session key":      {metadata: 1, session: 1000, want: "session_key"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e := tasks.Envelope{
				Operation: tasks.Send, BridgeID: "b", ExternalRoomID: "1", Payload: tasks.Text("x"),
				Opts: &tasks.Opts{Metadata: nested(tt.metadata)}, SessionKey: nested(tt.session),
			}
			field := ""
			if invalid, ok := errors.AsType[*tasks.InvalidError](e.Validate()); ok {
				field = invalid.Field
			}
			if field != tt.want {
				t.Errorf("fault of %q, want %q", field, tt.want)
			}
		})
	}
}

func TestErrorsMatchOnlyTheirSentinel(t *testing.T) {
	invalid := error(&tasks.InvalidError{Field: "payload.kind", Why: "is required"})
	large := error(&tasks.TooLargeError{Size: 2, Limit: 1})
	if !errors.Is(invalid, tasks.ErrInvalid) || errors.Is(invalid, tasks.ErrTooLarge) {
		t.Error("an InvalidError is ErrInvalid and nothing else")
	}
	if !errors.Is(large, tasks.ErrTooLarge) || errors.Is(large, tasks.ErrInvalid) {
		t.Error("a TooLargeError is ErrTooLarge and nothing else")
	}
	if got, want := invalid.Error(), "invalid payload.kind: is required"; got != want {
		t.Errorf("text = %q, want %q", got, want)
	}
}

func raw(s string) json.RawMessage { return json.RawMessage(s) }
