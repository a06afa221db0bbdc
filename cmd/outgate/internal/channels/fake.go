package channels

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/outgate/outgate/cmd/outgate/internal/config"
	"github.com/outgate/outgate/cmd/outgate/internal/human"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/provider"
)

// Fake is the fake of a channel's provider.
type Fake struct {
	provider.Fake
	Channel string
}

// Faked are the channels that have a fake, in the order of List.
func Faked() []string {
	var names []string
	for _, spec := range List {
		if spec.Fake != nil {
			names = append(names, spec.Type)
		}
	}
	return names
}

// Fakes finds the fakes of the channels.
func Fakes(channels []string) ([]Fake, error) {
	var list []Fake
	for _, channel := range channels {
		spec := Known[channel]
		if spec.Fake == nil {
			return nil, fmt.Errorf("%s: there is none; there are %s", human.Plain(channel), strings.Join(slices.Sorted(slices.Values(Faked())), ", "))
		}
		list = append(list, Fake{spec.Fake(), channel})
	}
	return list, nil
}

// Bridge lets the fake be reached on this machine until ctx ends, and answers a
// bridge to it.
func (f Fake) Bridge(ctx context.Context, cfg *config.Config) (*handlers.Bridge, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the fake of %s: %w", f.Channel, err)
	}
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	go func() { _ = f.Serve(listener) }()
	bridge, err := f.bridge(listener.Addr().String(), cfg)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return bridge, nil
}

// bridge is a bridge to the fake at a host and port, as a configuration would have it.
func (f Fake) bridge(at string, cfg *config.Config) (*handlers.Bridge, error) {
	keys := map[string]string{"id": f.Channel, "channel": f.Channel, provider.BaseURL: cmp.Or(f.Scheme, "http") + "://" + at}
	maps.Copy(keys, f.Values)
	text, err := yaml.Marshal(map[string]any{"bridges": []any{keys}})
	if err != nil {
		return nil, fmt.Errorf("write a bridge to the fake of %s: %w", f.Channel, err)
	}
	read, err := config.Parse("fake", text, Known, func(string) string { return "" })
	if err != nil {
		return nil, err
	}
	return newBridge(&read.Bridges[0], cfg.Delivery, nil)
}
