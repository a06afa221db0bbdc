package api

import (
	"context"

	"github.com/outgate/outgate/handlers/ops"
)

// addRecent reads how often each bridge was told to slow down.
func (a *API) addRecent(ctx context.Context, bridges []Bridge, v *view) error {
	ids := make([]string, len(bridges))
	for i, b := range bridges {
		ids[i] = b.ID
	}
	recent, err := ops.Recent(ctx, a.cfg.Redis, v.at, ids)
	for i := range recent {
		bridges[i].Recent = recent[i]
	}
	return err
}
