package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/discord/discordfake"
	"github.com/outgate/outgate/handlers/matrix/matrixfake"
	"github.com/outgate/outgate/handlers/slack/slackfake"
	"github.com/outgate/outgate/handlers/telegram/telegramfake"
)

const fakeToken = "1:outgate-dev"

// fake is a provider that runs in this process and enforces its documented limits.
type fake struct {
	channel string
	// room is one that the tour writes to.
	room     string
	provider interface {
		http.Handler
		// Lines are what stands in a room.
		Lines(room string) []string
	}
}

// fakes are those that there are, by channel.
var fakes = map[string]func() fake{
	"telegram": func() fake {
		return fake{"telegram", "1001", telegramfake.New(telegramfake.Config{Token: fakeToken})}
	},
	"slack": func() fake {
		return fake{"slack", "C0LOBBY", slackfake.New(slackfake.Config{Token: fakeToken, SharesAtOnce: true})}
	},
	"discord": func() fake {
		return fake{"discord", "1001", discordfake.New(discordfake.Config{Token: fakeToken})}
	},
	"matrix": func() fake {
		const room = "!lobby:fake"
		return fake{"matrix", room, matrixfake.New(matrixfake.Config{Token: fakeToken, Rooms: []string{room}})}
	},
}

// fakesOf finds the fakes of the channels.
func fakesOf(channels []string) ([]fake, error) {
	var list []fake
	for _, channel := range channels {
		made, known := fakes[channel]
		if !known {
			return nil, usagef("--fake %s: there is none; there are %s", plain(channel), strings.Join(slices.Sorted(maps.Keys(fakes)), ", "))
		}
		list = append(list, made())
	}
	return list, nil
}

// serve lets the fake be reached on this machine until ctx ends, and answers a bridge
// to it.
func (f fake) serve(ctx context.Context, cfg *Config) (*handlers.Bridge, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the fake of %s: %w", f.channel, err)
	}
	server := &http.Server{Handler: f.provider, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	go func() { _ = server.Serve(listener) }()
	text := fmt.Sprintf("bridges: [{id: %s, channel: %s, token: %q, base_url: \"http://%s\"}]",
		f.channel, f.channel, fakeToken, listener.Addr())
	read, err := ParseConfig("fake", []byte(text), func(string) string { return "" })
	if err != nil {
		return nil, errors.Join(err, server.Close())
	}
	return read.Bridges[0].bridge(cfg.Delivery, nil)
}

// devPicture is a GIF of one pixel.
var devPicture = base64.StdEncoding.EncodeToString([]byte("GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"))
