package asynqredis

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/outgate/outgate/partition"
)

// Partition is the prefetch buffer of one partition. Only the fetcher of its asynq server
// takes from it.
type Partition struct {
	Lines *partition.Lines
	// Free is the number of free handlers of the server.
	Free atomic.Int64

	wake chan struct{}
	// asked names the take that has no answer yet. Only the fetcher uses it.
	asked   string
	askedAt time.Time
	// scheduledAt is when asynq last looked at scheduled tasks. Only the forwarder uses it.
	scheduledAt time.Time

	mu     sync.Mutex
	buffer []partition.Taken
	tokens map[string]string // by task id: the attempts that were marked when taken
}

func (p *Partition) init(lines *partition.Lines, concurrency int) {
	p.Lines = lines
	p.Free.Store(int64(concurrency))
	p.wake, p.tokens = make(chan struct{}, 1), make(map[string]string)
}

func (p *Partition) looksAtScheduled() bool {
	if time.Since(p.scheduledAt) < scheduledPoll {
		return false
	}
	p.scheduledAt = time.Now()
	return true
}

// askAgain is how long a worker repeats a take that got no answer. It is well shorter than
// a lease: after that another worker may have the tasks.
const askAgain = 15 * time.Second

// request returns a new name for a take, or the name of the last one if that got no
// answer.
func (p *Partition) request(name func() string) string {
	if p.asked == "" || time.Since(p.askedAt) > askAgain {
		p.asked, p.askedAt = name()+".", time.Now()
	}
	return p.asked
}

func (p *Partition) answered(err error) {
	if err == nil {
		p.asked = ""
	}
}

func (p *Partition) fill(taken []partition.Taken) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.buffer = taken
	for _, t := range taken {
		if t.Token != "" {
			p.tokens[t.ID] = t.Token
		}
	}
}

func (p *Partition) next() (string, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.buffer) == 0 {
		return "", false
	}
	message := p.buffer[0].Message
	p.buffer = p.buffer[1:]
	return message, true
}

// Token returns, once, the token of the attempt that was marked when the task was taken;
// empty means none was.
func (p *Partition) Token(id string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	token := p.tokens[id]
	delete(p.tokens, id)
	return token
}

func (p *Partition) requeue(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.buffer) == 0 {
		return nil
	}
	err := p.Lines.PutBack(ctx, p.buffer)
	p.buffer = nil
	return err
}
