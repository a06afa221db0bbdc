package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/outgate/outgate/handlers/ops"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/tasks"
)

// actRequest is the body of a replay or a drop.
type actRequest struct {
	Filter Filter `json:"filter"`
	// DryRun only counts.
	DryRun bool `json:"dry_run"`
	// PerSecond is how many are done a second; zero is 20.
	PerSecond int `json:"per_second"`
}

// Plan is what a replay or a drop would do.
type Plan struct {
	// Count is how many of those looked at it would be done to. Exact is false where
	// there are more dead letters than were looked at: then there may be more.
	Count    int   `json:"count"`
	Exact    bool  `json:"exact"`
	LookedAt int   `json:"looked_at"`
	Total    int64 `json:"total"`
}

const (
	defaultPerSecond = 20
	maxPerSecond     = 1000
)

func (a *API) replayLetters(r *http.Request) (any, error) {
	return a.act(r, "replay", func(ctx context.Context, id string) error {
		_, err := a.cfg.DeadLetters.Replay(ctx, id)
		return err
	})
}

// dropLetters settles held heads with the error they failed with, so that their
// lines go on, and forgets all other dead letters for good.
func (a *API) dropLetters(r *http.Request) (any, error) {
	return a.act(r, "drop", func(ctx context.Context, id string) error {
		err := a.cfg.DeadLetters.Drop(ctx, id)
		if errors.Is(err, ops.ErrNotHeld) {
			err = a.cfg.DeadLetters.Purge(ctx, id)
		}
		return err
	})
}

// act counts, or begins a job.
func (a *API) act(r *http.Request, action string, one func(context.Context, string) error) (any, error) {
	if _, err := query(r); err != nil {
		return nil, err
	}
	request := actRequest{}
	if err := body(r, &request); err != nil {
		return nil, err
	}
	switch {
	case request.PerSecond == 0:
		request.PerSecond = defaultPerSecond
	case request.PerSecond < 0 || request.PerSecond > maxPerSecond:
		return nil, invalid("per_second", "want a number from 1 to %d", maxPerSecond)
	}
	if err := a.check(request.Filter); err != nil {
		f := faultOf(err)
		return nil, invalid("filter."+f.Field, "%s", f.Message)
	}
	if a.cfg.DeadLetters == nil {
		return nil, conflict("this process does not replay or drop")
	}
	if request.DryRun {
		return a.plan(r.Context(), request.Filter, action)
	}
	j := Job{Action: action, Filter: request.Filter, PerSecond: request.PerSecond}
	j, err := a.jobs.run(r.Context(), j, func(ctx context.Context, p *progress) error {
		return a.actOnAll(ctx, p, one)
	})
	return accepted{j}, err
}

// plan counts what an action would be done to, of as many as the groups are made of.
func (a *API) plan(ctx context.Context, f Filter, action string) (Plan, error) {
	a.view.forget()
	v, err := a.look(ctx)
	if err != nil {
		return Plan{}, err
	}
	p := Plan{}
	for i, s := range v.stats {
		if f.Partition == nil || *f.Partition == i {
			p.Total += s.DeadLetters
		}
	}
	ids, err := a.sampleLetters(ctx, v, f.Partition)
	if err != nil {
		return p, err
	}
	for range (len(ids) + mostLooked - 1) / mostLooked {
		if err := a.letters.lookAgain(ctx, ids); err != nil {
			return p, err
		}
	}
	found, _, err := a.letters.read(ctx, ids, len(ids))
	for _, l := range found {
		if f.matches(l) && (action != "replay" || l.ReplayedAs == "") {
			p.Count++
		}
	}
	p.LookedAt, p.Exact = len(ids), int64(len(ids)) >= p.Total
	return p, err
}

// actOnAll does it to all that the filter chooses, in the order of their admission,
// so that those of a room keep theirs.
func (a *API) actOnAll(ctx context.Context, p *progress, one func(context.Context, string) error) error {
	job := p.copy()
	filter := job.Filter.DeadLetters()
	filter.Replayable = job.Action == "replay"
	ids, err := a.cfg.DeadLetters.IDs(ctx, filter)
	if err != nil {
		return err
	}
	p.note(func(j *Job) { j.Total, j.State = len(ids), "running" })
	tick := time.NewTicker(time.Second / time.Duration(job.PerSecond))
	defer tick.Stop()
	for _, id := range ids {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if err := a.actOnOne(ctx, p, id, one); err != nil {
			return err
		}
	}
	return nil
}

// fullPause is how long a replay waits for a partition that takes no more.
const fullPause = time.Second

// actOnOne goes on after a failure, waits while the partition is full, and ends where
// Redis is away.
func (a *API) actOnOne(ctx context.Context, p *progress, id string, one func(context.Context, string) error) error {
	for {
		err := one(ctx, id)
		switch {
		case err == nil:
			p.note(func(j *Job) { j.Done++; j.Message = "" })
		case errors.Is(err, tasks.ErrQueueFull), errors.Is(err, tasks.ErrLoadShed):
			p.note(func(j *Job) { j.Message = "waits: its partition is full" })
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(fullPause):
			}
			continue
		case errors.Is(err, tasks.ErrAlreadyReplayed), errors.Is(err, tasks.ErrNotFound), errors.Is(err, ops.ErrHeld):
			p.note(func(j *Job) { j.Skipped++ })
		case ctx.Err() != nil || a.cfg.Redis.Ping(ctx).Err() != nil:
			return err
		default: // it is this one that cannot be
			p.note(func(j *Job) { j.Failed++; j.Message = id + ": " + shortened(err.Error()) })
		}
		a.letters.forget(id)
		return nil
	}
}

func (a *API) getJobs(r *http.Request) (any, error) {
	if _, err := query(r); err != nil {
		return nil, err
	}
	ids, err := a.cfg.Redis.LRange(r.Context(), partition.JobsKey, 0, jobsKept-1).Result()
	if err != nil {
		return nil, err
	}
	found, err := a.jobs.read(r.Context(), ids...)
	return Jobs{NowMS: a.cfg.Now().UnixMilli(), Jobs: found}, err
}

func (a *API) job(r *http.Request) (Job, error) {
	if _, err := query(r); err != nil {
		return Job{}, err
	}
	found, err := a.jobs.read(r.Context(), r.PathValue("id"))
	if err == nil && len(found) == 0 {
		err = &Fault{
			Status: http.StatusNotFound, Code: "not_found", Field: "id",
			Message: "there is no such job, or it ended more than a day ago",
		}
	}
	if err != nil {
		return Job{}, err
	}
	return found[0], nil
}

func (a *API) getJob(r *http.Request) (any, error) { return a.job(r) }

func (a *API) stopJob(r *http.Request) (any, error) {
	j, err := a.job(r)
	if err != nil {
		return nil, err
	}
	if j.ended() {
		return nil, conflict("the job has ended: it is %s", j.State)
	}
	return accepted{j}, a.jobs.stop(r.Context(), j.ID)
}
