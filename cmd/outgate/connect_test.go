package main

import (
	"strings"
	"testing"

	"github.com/outgate/outgate/cmd/outgate/internal/outgatetest"
)

func TestAReadingCommandNeedsNoSecretsOfTheBridges(t *testing.T) {
	s := newStand(t, "bridges: [{id: b, channel: sandbox}]")
	file := t.TempDir() + "/c.yaml"
	read := func(redis, more string) outgatetest.Result {
		outgatetest.WriteFile(t, file, "redis: {url: \""+redis+"\"}\n"+more)
		return world{}.run(t, "partitions", "--config", file)
	}
	url := s.env["OUTGATE_REDIS_URL"]
	secrets := "http: {addr: \"0.0.0.0:1\", token: \"${TOKEN}\"}\n" +
		"bridges: [{id: h, channel: webhook, url: \"http://h\", secret: \"${SECRET}\"}, {id: t, channel: telegram, token_file: none}]"
	if got := read(url, secrets); got.Code != 0 || !strings.Contains(got.Out, "outbound-000") {
		t.Errorf("got %+v, want status 0, output with %q", got, "outbound-000")
	}
	if got := read(url, "result: {ttl: 1m}"); got.Code != 2 || !strings.Contains(got.Err, "result: ") {
		t.Errorf("an unknown key: got %+v, want status 2, error with %q", got, "result: ")
	}
	if got := read("http://h", secrets); got.Code != 2 || !strings.Contains(got.Err, "redis.url: ") {
		t.Errorf("not a URL of Redis: got %+v, want status 2, error with %q", got, "redis.url: ")
	}
}

func TestVersionIsACommandAndAFlag(t *testing.T) {
	command, flag := world{}.run(t, "version"), world{}.run(t, "--version")
	if flag.Code != 0 || flag.Out != command.Out || !strings.HasPrefix(flag.Out, "outgate ") {
		t.Errorf("got %+v from --version, want the output of the command: %+v", flag, command)
	}
}
