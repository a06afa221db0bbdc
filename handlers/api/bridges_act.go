package api

import (
	"context"
	"net/http"
	"slices"
	"unicode/utf8"

	"github.com/outgate/outgate/handlers/ops"
)

// suspendRequest is the body of a suspension.
type suspendRequest struct {
	// Reason is why, for whoever looks.
	Reason string `json:"reason"`
}

// maxReason bounds the text of a suspension.
const maxReason = 500

func (a *API) suspendBridge(r *http.Request) (any, error) {
	if _, err := query(r); err != nil {
		return nil, err
	}
	var request suspendRequest
	if err := body(r, &request); err != nil {
		return nil, err
	}
	if len(request.Reason) > maxReason || !utf8.ValidString(request.Reason) {
		return nil, invalid("reason", "want at most %d bytes of UTF-8", maxReason)
	}
	id := r.PathValue("id")
	if _, err := a.Suspend(r.Context(), id, request.Reason); err != nil {
		return nil, err
	}
	return a.oneBridge(r.Context(), id)
}

// Suspend holds the messages of a bridge until it is resumed. fresh is false where it
// was suspended before.
func (a *API) Suspend(ctx context.Context, id, reason string) (fresh bool, err error) {
	v, err := a.bridge(ctx, id)
	if err != nil {
		return false, err
	}
	return ops.SuspendBridge(ctx, a.cfg.Redis, id, ops.Suspension{
		By: "operator", Text: reason, SinceMS: v.at.UnixMilli(),
	})
}

func (a *API) resumeBridge(r *http.Request) (any, error) {
	if _, err := query(r); err != nil {
		return nil, err
	}
	if err := body(r, &struct{}{}); err != nil {
		return nil, err
	}
	id := r.PathValue("id")
	if err := a.Resume(r.Context(), id); err != nil {
		return nil, err
	}
	return a.oneBridge(r.Context(), id)
}

// Resume lets the messages of a suspended bridge go on.
func (a *API) Resume(ctx context.Context, id string) error {
	a.view.forget() // the gateway may have suspended it this moment
	v, err := a.bridge(ctx, id)
	if err != nil {
		return err
	}
	if _, suspended := v.suspended[id]; !suspended {
		return conflict("bridge %s is not suspended", id)
	}
	return ops.ResumeBridge(ctx, a.cfg.Redis, id)
}

// bridge is a view that has the bridge.
func (a *API) bridge(ctx context.Context, id string) (*view, error) {
	v, err := a.look(ctx)
	if err != nil {
		return nil, err
	}
	if _, known := a.bridges(v)[id]; !known {
		return nil, &Fault{Status: http.StatusNotFound, Code: "not_found", Field: "id", Message: "there is no such bridge"}
	}
	return v, nil
}

// oneBridge is a bridge that was changed just now.
func (a *API) oneBridge(ctx context.Context, id string) (any, error) {
	a.view.forget()
	all, err := a.Bridges(ctx)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(all.Bridges, func(b Bridge) bool { return b.ID == id }); i >= 0 {
		return all.Bridges[i], nil
	}
	return nil, missing("bridge %s is gone", id)
}
