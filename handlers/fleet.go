package handlers

import (
	"context"
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"
)

// fleet is the bridges that a worker delivers over. It is never changed, but put
// in the place of another as a whole.
type fleet struct {
	bridges map[string]*Bridge
	// exact is true where a bridge gives up what is ambiguous: then the mark of an
	// attempt has to be exact, and is written just before the send.
	exact bool
}

func newFleet(bridges []*Bridge) *fleet {
	f := &fleet{bridges: make(map[string]*Bridge, len(bridges))}
	for _, b := range bridges {
		f.bridges[b.ID] = b
		f.exact = f.exact || b.Policy.OnAmbiguous == Fail
	}
	return f
}

// channels are the types of the bridges' channels.
func (f *fleet) channels() map[string]string {
	channels := make(map[string]string, len(f.bridges))
	for id, b := range f.bridges {
		channels[id] = b.Channel.Type()
	}
	return channels
}

// Reload puts other bridges in the place of the worker's: new credentials, limits
// and policies, bridges that are new and without those that are gone. What is being
// sent is sent over the old ones, which are closed a while later. A bridge that the
// gateway itself suspended is probed at once: its credential may be a new one.
//
// The error joins all faults of the bridges (*ConfigError); then nothing changes.
func (w *Worker) Reload(ctx context.Context, bridges []*Bridge) error {
	cfg := w.cfg
	cfg.Bridges = bridges
	if err := cfg.Validate(); err != nil {
		return err
	}
	bridges = inherit(bridges, w.cfg.Policy)
	old := w.fleet.Swap(newFleet(bridges))
	w.asynqRedis.SetExact(w.fleet.Load().exact)
	for _, b := range bridges {
		if _, known := old.bridges[b.ID]; !known {
			w.metrics.Zero(b.ID)
		}
		if err := w.breaker.ProbeNow(ctx, b.ID); err != nil {
			return err
		}
	}
	patience := time.Second
	for _, b := range old.bridges {
		patience = max(patience, b.Policy.Timeout+time.Second)
	}
	w.retire(old, patience)
	if err := w.setup().Announce(ctx, w.rdb); err != nil {
		return err
	}
	w.log.Info("bridges.reloaded", zap.Int("bridges", len(bridges)))
	return w.breaker.Refresh(ctx, w.fleet.Load().ids())
}

// ids are those of the bridges.
func (f *fleet) ids() []string { return slices.Collect(maps.Keys(f.bridges)) }

// Bridges are those that the worker delivers over now.
func (w *Worker) Bridges() []*Bridge { return slices.Collect(maps.Values(w.fleet.Load().bridges)) }

// replaced is true for a bridge that another has taken the place of: what its provider
// says of the old credential says nothing of the new one.
func (w *Worker) replaced(b *Bridge) bool {
	return b != nil && w.fleet.Load().bridges[b.ID] != b
}

// retire closes channels once nothing is sent over them any more.
func (w *Worker) retire(old *fleet, after time.Duration) {
	w.wg.Go(func() {
		timer := time.NewTimer(after)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-w.stopping: // what is in hand has had its time when the worker closes
		}
		old.close()
	})
}

// close closes the channels that can be closed.
func (f *fleet) close() {
	for _, b := range f.bridges {
		if c, ok := b.Channel.(Closer); ok {
			c.Close()
		}
	}
}
