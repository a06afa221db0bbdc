package api

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/partition"
)

// Job is something that is done to many dead letters, one after the other.
type Job struct {
	ID string `json:"id"`
	// Action is "replay" or "drop".
	Action string `json:"action"`
	Filter Filter `json:"filter"`
	// State is "counting", "running", "done", "stopped", "failed", or "lost" where the
	// process that did it was not heard of for a while.
	State     string `json:"state"`
	PerSecond int    `json:"per_second"`
	// Total is known once it is no longer counting. Done and Failed add up to it in
	// the end; Skipped were replayed or gone by then.
	Total   int `json:"total"`
	Done    int `json:"done"`
	Skipped int `json:"skipped"`
	Failed  int `json:"failed"`
	// Message is the last error, or what it waits for.
	Message   string `json:"message"`
	StartedMS int64  `json:"started_ms"`
	UpdatedMS int64  `json:"updated_ms"`
	EndedMS   int64  `json:"ended_ms"`
}

func (j *Job) ended() bool { return j.State != "counting" && j.State != "running" }

// Jobs are the newest jobs, newest first.
type Jobs struct {
	NowMS int64 `json:"now_ms"`
	Jobs  []Job `json:"jobs"`
}

const (
	// jobsKept is how many jobs are listed.
	jobsKept = 20
	// jobTold is how often a job writes how far it is, and looks whether to stop.
	jobTold = 300 * time.Millisecond
	// jobLost is after what silence a job counts as lost.
	jobLost = 15 * time.Second
)

// jobs runs the jobs of this process, and finds those of all. What is known of a job
// is in Redis: whichever process is asked, it knows.
type jobs struct {
	rdb  redis.UniversalClient
	now  func() time.Time
	ctx  context.Context // the life of the jobs, which outlive their requests
	end  context.CancelFunc
	wg   sync.WaitGroup
	mu   sync.Mutex
	busy int
}

// mostJobs is how many jobs run in one process at once.
const mostJobs = 4

func (s *jobs) start(rdb redis.UniversalClient, now func() time.Time) {
	s.rdb, s.now = rdb, now
	s.ctx, s.end = context.WithCancel(context.Background())
}

func (s *jobs) close() {
	s.end()
	s.wg.Wait()
}

// run begins a job. do is called in the background; it ends where its context does.
func (s *jobs) run(ctx context.Context, j Job, do func(context.Context, *progress) error) (Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy >= mostJobs || s.ctx.Err() != nil {
		return j, conflict("%d jobs are running: wait for one to end, or stop it", s.busy)
	}
	j.ID, j.State, j.StartedMS = rand.Text()[:16], "counting", s.now().UnixMilli()
	if err := s.write(ctx, &j); err != nil {
		return j, err
	}
	pipe := s.rdb.Pipeline()
	pipe.LPush(ctx, partition.JobsKey, j.ID)
	pipe.LTrim(ctx, partition.JobsKey, 0, jobsKept-1)
	pipe.Expire(ctx, partition.JobsKey, partition.JobTTL)
	if _, err := pipe.Exec(ctx); err != nil {
		return j, fmt.Errorf("list the job: %w", err)
	}
	s.tell(ctx, &j)
	s.busy++
	p := &progress{jobs: s, job: j}
	s.wg.Go(func() { //nolint:contextcheck // a job outlives its request
		p.run(s.ctx, do)
		s.mu.Lock()
		s.busy--
		s.mu.Unlock()
	})
	return j, nil
}

func (s *jobs) write(ctx context.Context, j *Job) error {
	j.UpdatedMS = s.now().UnixMilli()
	record, err := json.Marshal(j)
	if err == nil {
		err = s.rdb.Set(ctx, partition.JobKey(j.ID), record, partition.JobTTL).Err()
	}
	if err != nil {
		return fmt.Errorf("write the job: %w", err)
	}
	return nil
}

func (s *jobs) read(ctx context.Context, ids ...string) ([]Job, error) {
	pipe := s.rdb.Pipeline()
	replies := make([]*redis.StringCmd, len(ids))
	for i, id := range ids {
		replies[i] = pipe.Get(ctx, partition.JobKey(id))
	}
	if err := partition.Exec(ctx, pipe); err != nil {
		return nil, fmt.Errorf("read the jobs: %w", err)
	}
	found := make([]Job, 0, len(ids))
	for _, r := range replies {
		var j Job
		if json.Unmarshal([]byte(r.Val()), &j) != nil {
			continue
		}
		if !j.ended() && s.now().Sub(time.UnixMilli(j.UpdatedMS)) > jobLost {
			j.State, j.Message = "lost", "the process that did it is gone: begin it again, what was done stays done"
		}
		found = append(found, j)
	}
	slices.SortStableFunc(found, func(x, y Job) int { return cmp.Compare(y.StartedMS, x.StartedMS) })
	return found, nil
}

// stop asks whichever process runs a job to stop it.
func (s *jobs) stop(ctx context.Context, id string) error {
	if err := s.rdb.Set(ctx, partition.JobStopKey(id), "1", partition.JobTTL).Err(); err != nil {
		return fmt.Errorf("stop the job: %w", err)
	}
	return nil
}

// progress is a running job.
type progress struct {
	jobs *jobs

	mu  sync.Mutex
	job Job
}

// note changes what is told of the job.
func (p *progress) note(change func(*Job)) {
	p.mu.Lock()
	change(&p.job)
	p.mu.Unlock()
}

func (p *progress) copy() Job {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.job
}

var errStopped = errors.New("stopped by an operator")

// run does the job, telling how far it is, until it is done or stopped.
func (p *progress) run(ctx context.Context, do func(context.Context, *progress) error) {
	ctx, cancel := context.WithCancelCause(ctx)
	told := make(chan struct{})
	go func() {
		defer close(told)
		p.tell(ctx, cancel)
	}()
	err := do(ctx, p)
	stopped := errors.Is(context.Cause(ctx), errStopped)
	cancel(nil)
	<-told
	p.note(func(j *Job) {
		j.EndedMS = p.jobs.now().UnixMilli()
		switch {
		case err == nil:
			j.State = "done"
		case stopped:
			j.State, j.Message = "stopped", ""
		case errors.Is(err, context.Canceled):
			j.State, j.Message = "stopped", "the process that did it ended"
		default:
			j.State, j.Message = "failed", faultOf(err).Message
		}
	})
	ended := p.copy()
	last, done := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer done()
	_ = p.jobs.write(last, &ended)
	p.jobs.tell(last, &ended)
}

func (p *progress) tell(ctx context.Context, cancel context.CancelCauseFunc) {
	tick := time.NewTicker(jobTold)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := p.copy()
		_ = p.jobs.write(ctx, &now)
		if n, err := p.jobs.rdb.Exists(ctx, partition.JobStopKey(now.ID)).Result(); err == nil && n > 0 {
			cancel(errStopped)
			return
		}
	}
}
