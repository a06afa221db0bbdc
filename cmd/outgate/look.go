package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/outgate/outgate/cmd/outgate/internal/api"
	"github.com/outgate/outgate/handlers"
)

// views are those that /api/v1 answers with, read straight from the session's Redis;
// they are at most so old, zero is a second. Nothing is begun that has to be closed.
func (s *session) views(age time.Duration) *api.API {
	return api.New(api.Config{Redis: s.rdb, Scheme: s.scheme, ViewAge: age})
}

// suspensions are the suspended bridges.
func (s *session) suspensions(ctx context.Context) (map[string]handlers.Suspension, error) {
	return api.Suspensions(ctx, s.rdb)
}

func (s *session) checkPartition(index int) error {
	if index < 0 || index >= s.scheme.Count {
		return usagef("there is no partition %d: they are 0 to %d", index, s.scheme.Count-1)
	}
	return nil
}

// isFault is true for a fault of such a status.
func isFault(err error, status int) bool {
	fault, ok := errors.AsType[*api.Fault](err)
	return ok && fault.Status == status
}

// isMissing is true where a view has nothing of that name.
func isMissing(err error) bool { return isFault(err, http.StatusNotFound) }
