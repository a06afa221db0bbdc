package dev

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/cmd/outgate/internal/channels"
	"github.com/outgate/outgate/cmd/outgate/internal/human"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// tour shows all four operations and says how to continue.
type tour struct {
	out       io.Writer
	rdb       redis.UniversalClient
	enqueues  prometheus.Observer
	fakes     []channels.Fake
	redisAddr string
	pages     string
}

func (t tour) printf(format string, args ...any) { _, _ = fmt.Fprintf(t.out, format, args...) }

func (t tour) run(ctx context.Context, play bool) error {
	t.printf("outgate dev: everything in one process. All data is in memory and is lost at the end.\n\n")
	if play {
		if err := t.play(ctx); err != nil {
			return fmt.Errorf("the tour: %w", err)
		}
	}
	announced, err := partition.ReadAnnounced(ctx, t.rdb)
	if err != nil {
		return fmt.Errorf("read the hash of the enqueue script: %w", err)
	}
	_, port, _ := net.SplitHostPort(t.redisAddr)
	t.printf(`Try it in another terminal:
  export OUTGATE_REDIS_URL=redis://%s/0
  outgate send --bridge %s --room lobby --wait "hello"
  outgate rooms
or from any Redis client:
  redis-cli -p %s EVALSHA %s 1 '{}' '%s'
Pages: %s (the deliveries of the sandbox: %ssandbox)
Ctrl-C stops it.
`, t.redisAddr, bridgeID, port, announced.SHA1, envelope, t.pages, t.pages)
	return nil
}

// envelope is the JSON that a Redis client sends.
const envelope = `{"operation":"send","bridge_id":"` + bridgeID + `","external_room_id":"lobby","payload":"hello from Redis"}`

// play plays the tour on the sandbox and then on each fake.
func (t tour) play(ctx context.Context) error {
	client := tasks.NewClient(t.rdb)
	defer func() { _ = client.Close() }()
	t.printf("A short tour sends four messages to room lobby. A line that begins with a time is a delivery of the bridge.\n\n")
	err := t.converse(ctx, client, at{bridgeID, "lobby", channels.Known[bridgeID].Capabilities}, func(url, caption string) tasks.Payload {
		return tasks.Payload{Media: &tasks.Media{Kind: tasks.Image, URL: url, Caption: caption}}
	})
	for _, f := range t.fakes {
		if err != nil {
			return err
		}
		t.printf("Now the same to room %s over bridge %s: a fake of the provider with its real rate limits.\n\n", f.Room, f.Channel)
		err = t.converse(ctx, client, at{f.Channel, f.Room, channels.Known[f.Channel].Capabilities}, func(_, caption string) tasks.Payload {
			return tasks.Payload{Media: &tasks.Media{Kind: tasks.Image, Data: pixel, Filename: "picture.gif", Caption: caption}}
		})
		t.printf("The room now shows:\n")
		for _, line := range f.Lines(f.Room) {
			t.printf("  %s\n", line)
		}
		t.printf("\n")
	}
	return err
}

// at is where a conversation takes place, and what can be done there.
type at struct {
	bridge, room string
	capabilities tasks.Capabilities
}

// converse sends a text, edits it, sends a picture, and edits that, as far as the
// channel can.
func (t tour) converse(ctx context.Context, client *tasks.Client, where at, picture func(url, caption string) tasks.Payload) error {
	made := ""
	for _, step := range []struct {
		what      string
		operation tasks.Operation
		payload   tasks.Payload
	}{
		{"send a text", tasks.Send, tasks.Text("Good morning! Your parcel is on its way.")},
		{"edit it", tasks.Edit, tasks.Text("Good morning! Your parcel arrives today.")},
		{"send media", tasks.SendMedia, picture("https://example.com/map.png", "where it is")},
		{"edit the media", tasks.EditMedia, picture("https://example.com/door.png", "it is at your door")},
	} {
		if !where.capabilities.Supports(step.operation) {
			t.printf("%s: the channel cannot\n\n", step.what)
			continue
		}
		t.printf("%s\n", step.what)
		e := tasks.Envelope{Operation: step.operation, BridgeID: where.bridge, ExternalRoomID: where.room, Payload: step.payload}
		if step.operation.IsEdit() {
			e.ExternalMessageID = made
		}
		outcome, err := t.deliver(ctx, client, e)
		if err != nil {
			return err
		}
		if !step.operation.IsEdit() {
			made = outcome.MessageID
		}
		t.printf("  delivered as %s after %s: envelope %s, partition %d, attempt %d\n\n",
			outcome.MessageID, human.Age(max(1, outcome.LatencyMS)), outcome.ID, outcome.Partition, outcome.Attempts)
	}
	return nil
}

// deliver enqueues an envelope and waits for its outcome.
func (t tour) deliver(ctx context.Context, client *tasks.Client, e tasks.Envelope) (*tasks.Success, error) {
	begun := time.Now()
	receipt, err := client.Enqueue(ctx, e)
	if err != nil {
		return nil, err
	}
	t.enqueues.Observe(time.Since(begun).Seconds())
	outcome, err := client.Wait(ctx, receipt)
	if err != nil {
		return nil, err
	}
	return outcome.Success, outcome.Err()
}

// pixel is a GIF image of one pixel.
var pixel = base64.StdEncoding.EncodeToString([]byte("GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"))
