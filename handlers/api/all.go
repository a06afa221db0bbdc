package api

import (
	"context"
	"maps"
	"slices"

	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/partition"
)

// Lines are the lines that a query finds among all there are. A suspension that cannot
// be read is an error.
func (a *API) Lines(ctx context.Context, q partition.RoomsQuery) ([]Room, error) {
	v, err := a.look(ctx)
	if err == nil {
		err = v.unread
	}
	if err != nil {
		return nil, err
	}
	found, err := partition.Rooms(ctx, a.cfg.Redis, a.cfg.Scheme, q)
	if err != nil {
		return nil, err
	}
	rooms := make([]Room, 0, len(found))
	for page := range slices.Chunk(found, maxLimit) {
		heads := make([]head, len(page))
		for i, r := range page {
			heads[i] = newHead(r.Line, r.Head)
		}
		described, err := a.describe(ctx, v, heads)
		if err != nil {
			return nil, err
		}
		rooms = append(rooms, described...)
	}
	return rooms, nil
}

// AllBridges are all bridges in the order of their ids. A suspension that cannot be read
// is an error.
func (a *API) AllBridges(ctx context.Context) ([]Bridge, error) {
	v, err := a.look(ctx)
	if err == nil {
		err = v.unread
	}
	if err != nil {
		return nil, err
	}
	channels := a.bridges(v)
	all := make([]Bridge, 0, len(channels))
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(channels)), mostBridges) {
		described, err := a.describeBridges(ctx, v, channels, ids)
		if err != nil {
			return nil, err
		}
		all = append(all, described...)
	}
	return all, nil
}

// Newest are the newest dead letters that a filter chooses, however many have to be
// looked at for them.
func (a *API) Newest(ctx context.Context, f Filter, limit int) ([]Letter, error) {
	all := []Letter{}
	for begin := (place{}); ; {
		page, err := a.Letters(ctx, f, limit-len(all), begin)
		if err != nil {
			return nil, err
		}
		all = append(all, page.DeadLetters...)
		if len(all) == limit || page.NextCursor == "" {
			return all, nil
		}
		if begin, err = parsePlace(page.NextCursor); err != nil {
			return nil, err
		}
	}
}

// Records are these dead letters with their messages, which no request is answered
// with. Those that ran out since are left out.
func (a *API) Records(ctx context.Context, of []Letter) ([]ops.DeadLetter, error) {
	all := make([]ops.DeadLetter, 0, len(of))
	for page := range slices.Chunk(of, readPage) {
		ids := make([]string, len(page))
		for i, l := range page {
			ids[i] = l.ID
		}
		found, err := a.letters.records(ctx, ids)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}
