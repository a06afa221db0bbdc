package main

import (
	"strings"
	"testing"
)

func TestWhoLooksAtAGatewayNeedsNoSecretsOfIt(t *testing.T) {
	s := newStand(t, "bridges: [{id: b, channel: sandbox}]")
	file := t.TempDir() + "/c.yaml"
	read := func(redis, more string) result {
		writeFile(t, file, "redis: {url: \""+redis+"\"}\n"+more)
		return world{}.run(t, "partitions", "--config", file)
	}
	url := s.env["OUTGATE_REDIS_URL"]
	secrets := "http: {addr: \"0.0.0.0:1\", token: \"${TOKEN}\"}\n" +
		"bridges: [{id: h, channel: webhook, url: \"http://h\", secret: \"${SECRET}\"}, {id: t, channel: telegram, token_file: none}]"
	if got := read(url, secrets); got.code != 0 || !strings.Contains(got.out, "outbound-000") {
		t.Errorf("%+v", got)
	}
	if got := read(url, "result: {ttl: 1m}"); got.code != 2 || !strings.Contains(got.err, "result: ") {
		t.Errorf("an unknown key: %+v", got)
	}
	if got := read("http://h", secrets); got.code != 2 || !strings.Contains(got.err, "redis.url: ") {
		t.Errorf("no address of a Redis: %+v", got)
	}
}

func TestTheVersionIsAFlagToo(t *testing.T) {
	command, flag := world{}.run(t, "version"), world{}.run(t, "--version")
	if flag.code != 0 || flag.out != command.out || !strings.HasPrefix(flag.out, "outgate ") {
		t.Errorf("%+v, the command has %+v", flag, command)
	}
}
