package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/outgate/outgate/cmd/outgate/internal/channels"
	"github.com/outgate/outgate/cmd/outgate/internal/config"
	"github.com/outgate/outgate/cmd/outgate/internal/outgatetest"
	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/tasks"
)

// commandLine is a command line in a document.
type commandLine struct {
	line int
	text string
}

var (
	codeSpan = regexp.MustCompile("`([^`]+)`")
	// aCommand is outgate, or what runs it from the checkout or a container.
	aCommand = regexp.MustCompile(`(?:^|[;&|(]\s*|\$ |-- |\bwatch )(?:[A-Z_]+=\S+ )*(?:go run \./cmd/outgate|(?:\./|bin/)?outgate)((?: +[^\s;&|#<>()]+)+)`)
	// spans are names of trace spans that look like commands.
	spans = map[string]bool{"enqueue": true, "wait": true, "attempt": true}
	aFlag = regexp.MustCompile(`^-{1,2}[a-z][a-z-]*`)
)

// commandsIn finds the command lines in the code of a Markdown document: lines that run
// outgate, not those that name it for another program.
func commandsIn(text string) []commandLine {
	var found []commandLine
	add := func(line int, code string) {
		code = strings.ReplaceAll(code, "[", "")
		for _, m := range aCommand.FindAllStringSubmatch(strings.ReplaceAll(strings.TrimSpace(code), "]", ""), -1) {
			found = append(found, commandLine{line, strings.TrimSpace(m[1])})
		}
	}
	fenced, prose, proseAt := false, "", 0
	flush := func() {
		for _, m := range codeSpan.FindAllStringSubmatch(prose, -1) {
			add(proseAt, m[1])
		}
		prose = ""
	}
	for i, line := range strings.Split(text, "\n") {
		switch {
		case strings.HasPrefix(strings.TrimSpace(line), "```"):
			flush()
			fenced = !fenced
		case fenced || strings.HasPrefix(line, "    "):
			add(i+1, line)
		case strings.TrimSpace(line) == "":
			flush()
		default: // a code span may continue on the next line
			if prose == "" {
				proseAt = i + 1
			}
			prose += " " + line
		}
	}
	flush()
	return found
}

// helpOf is the help of the command that a line runs; empty if the command does not
// exist.
func (w world) helpOf(t *testing.T, words []string) string {
	t.Helper()
	root := (&app{in: strings.NewReader(""), out: io.Discard, err: io.Discard, env: func(string) string { return "" }}).root()
	cmd, path := root, []string(nil)
	for _, word := range words {
		next, _, err := cmd.Find([]string{word})
		if err != nil || next == cmd {
			break
		}
		cmd, path = next, append(path, word)
	}
	if len(path) == 0 || cmd.HasSubCommands() && len(words) > len(path) && !strings.HasPrefix(words[len(path)], "-") && words[len(path)] != "…" {
		return ""
	}
	return w.run(t, append(path, "--help")...).Out
}

func TestEveryCommandOfTheDocsExistsWithItsFlags(t *testing.T) {
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, file := range append(files, "../../README.md", "../../deploy/README.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range commandsIn(string(text)) {
			words := strings.Fields(c.text)
			if spans[c.text] {
				continue
			}
			help := world{}.helpOf(t, words)
			if help == "" {
				t.Errorf("%s:%d: got outgate %s, want a command that exists", filepath.Base(file), c.line, c.text)
				continue
			}
			for _, word := range words {
				flag := aFlag.FindString(word)
				if flag != "" && !regexp.MustCompile(`(?m)^ +(-[a-z], )?`+flag+`( |$)|`+flag+`, --`).MatchString(help) {
					t.Errorf("%s:%d: outgate %s: got flag %s, want one that exists", filepath.Base(file), c.line, c.text, flag)
				}
			}
			checked++
		}
	}
	if checked < 40 {
		t.Errorf("got %d command lines, want at least 40", checked)
	}
}

func TestCommandsAreFoundInDocs(t *testing.T) {
	doc := "Say `outgate rooms --sort\nage`, or `outgate` alone, or outgate send.\n\n```\n$ outgate config check x.yaml   # outgate nope\n" +
		"make run && A_B=c outgate send --bridge b \"hi\" | outgate nope\nsystemctl status outgate\nkubectl -n outgate exec x -- outgate top --once\n```\n\n    outgate bench --compare [--json]\n"
	var got []string
	for _, c := range commandsIn(doc) {
		got = append(got, c.text)
	}
	want := `rooms --sort age|config check x.yaml|send --bridge b "hi"|nope|top --once|bench --compare --json`
	if strings.Join(got, "|") != want {
		t.Errorf("got %s, want %s", strings.Join(got, "|"), want)
	}
	for words, there := range map[string]bool{"nope": false, "bridges nope": false, "bridges list": true, "bridges": true, "config check x.yaml": true} {
		if got := (world{}).helpOf(t, strings.Fields(words)) != ""; got != there {
			t.Errorf("outgate %s exists: got %v, want %v", words, got, there)
		}
	}
}

// TestTheNumberOfPartitionsIsChangedAsOperationsSays follows the steps of
// docs/operations.md.
func TestTheNumberOfPartitionsIsChangedAsOperationsSays(t *testing.T) {
	server := redistest.Start(t)
	with := func(count string) *stand {
		cfg, err := config.Parse("c.yaml", []byte("bridges: [{id: b, channel: sandbox}]\npartitions: {count: "+count+"}"), channels.Known, noEnv)
		if err != nil {
			t.Fatal(err)
		}
		return &stand{Gateway: outgatetest.On(t, cfg, server.Client())}
	}
	deliver := func(s *stand) {
		t.Helper()
		worker := s.Work()
		for _, room := range []string{"1", "2", "3", "4", "5"} {
			receipt := s.Enqueue(gatewaytest.Scripted("b", room, "hello", ""))
			if o, err := s.Client.Wait(t.Context(), receipt); err != nil || o.Error != nil {
				t.Fatalf("got %+v (%v), want a success", o, err)
			}
		}
		worker.Stop()
	}
	deliver(with("4"))
	changed := with("2")
	if _, err := changed.Redis.Ping(t.Context()).Result(); err != nil {
		t.Fatal(err)
	}
	setup := partition.Setup{Scheme: changed.Config.Scheme(), Capacity: 1, Enqueue: tasks.EnqueueScript}
	if err := setup.Announce(t.Context(), changed.Redis); err == nil || !strings.Contains(err.Error(), partition.APIKey) {
		t.Fatalf("another number of partitions: got error %v, want one that names %s", err, partition.APIKey)
	}
	changed.Redis.Del(t.Context(), partition.APIKey)
	changed.Redis.SRem(t.Context(), "asynq:queues", "outbound-002", "outbound-003")
	deliver(changed)
	w := world{env: map[string]string{"OUTGATE_REDIS_URL": server.URL()}}
	if got := w.run(t, "partitions"); strings.Count(got.Out, "\n") != 3 {
		t.Errorf("got %s, want two partitions", got.Out)
	}
	deliver(with("2"))
}
