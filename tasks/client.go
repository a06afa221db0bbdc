package tasks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/partition"
)

// Client enqueues envelopes and waits for their outcomes. It is safe for
// concurrent use, and cheap: one is enough for a process.
type Client struct {
	rdb    redis.UniversalClient
	scheme atomic.Pointer[partition.Scheme]
	waiter *waiter
	// together is nil where every caller goes alone.
	together *together
	// priority chooses the priority of envelopes that have none; nil chooses none.
	priority func(Envelope) Priority
}

// NewClient returns a client on a Redis that a gateway has configured. It does
// not close rdb.
func NewClient(rdb redis.UniversalClient, options ...Option) *Client {
	c := &Client{rdb: rdb, waiter: newWaiter(rdb), together: newTogether(rdb)}
	for _, option := range options {
		option(c)
	}
	return c
}

// Close ends the client's subscription. It is an error to call Wait afterwards.
func (c *Client) Close() error { return c.waiter.close() }

// Enqueue admits one envelope. The error is a *Refusal (errors.Is finds
// ErrQueueFull, ErrInvalid and the others) or Redis'. After an error of the
// connection the envelope may have been admitted: an idempotency key makes it
// safe to try again. Callers that come at the same time share calls; the error of a
// call is that of all who share it.
func (c *Client) Enqueue(ctx context.Context, e Envelope) (Receipt, error) {
	results, err := c.enqueue(ctx, []Envelope{e}, "")
	if err != nil {
		return Receipt{}, err
	}
	return results[0].receipt, results[0].err
}

// BatchError says which envelopes of a batch were refused: Errors has one entry an
// envelope, nil for those that were admitted.
type BatchError struct{ Errors []error }

func (e *BatchError) Error() string {
	refused := e.Unwrap()
	if len(refused) == 0 {
		return fmt.Sprintf("0 of %d envelopes refused", len(e.Errors))
	}
	return fmt.Sprintf("%d of %d envelopes refused, the first: %v", len(refused), len(e.Errors), refused[0])
}

// Unwrap gives errors.Is and errors.As every refusal.
func (e *BatchError) Unwrap() []error {
	var all []error
	for _, err := range e.Errors {
		if err != nil {
			all = append(all, err)
		}
	}
	return all
}

// EnqueueBatch admits many envelopes, those of one partition in few calls and in
// their order. It returns a receipt for each; where some were refused, their
// receipts are zero and the error is a *BatchError.
func (c *Client) EnqueueBatch(ctx context.Context, envelopes []Envelope) ([]Receipt, error) {
	if len(envelopes) == 0 {
		return nil, nil
	}
	results, err := c.enqueue(ctx, envelopes, "")
	if err != nil {
		return nil, err
	}
	receipts, errs, failed := make([]Receipt, len(results)), make([]error, len(results)), false
	for i, r := range results {
		receipts[i], errs[i] = r.receipt, r.err
		failed = failed || r.err != nil
	}
	if failed {
		return receipts, &BatchError{Errors: errs}
	}
	return receipts, nil
}

// Replay admits the envelope of a dead letter again, at the end of its room's
// line. A dead letter is replayed once: the second time it is ErrAlreadyReplayed.
func (c *Client) Replay(ctx context.Context, deadLetterID string, e Envelope) (Receipt, error) {
	results, err := c.enqueue(ctx, []Envelope{e}, deadLetterID)
	if err != nil {
		return Receipt{}, err
	}
	return results[0].receipt, results[0].err
}

// batchSize bounds one call of the script, and so how long Redis is busy with it.
const batchSize = 250

// enqueue routes, groups by partition, and admits. A gateway that was set up anew
// with another scheme is met once by reading the scheme again.
func (c *Client) enqueue(ctx context.Context, envelopes []Envelope, replay string) ([]result, error) {
	if err := ctx.Err(); err != nil {
		return nil, &notAskedError{fmt.Errorf("enqueue: %w", err)}
	}
	envelopes = c.prioritize(envelopes)
	for again := false; ; again = true {
		scheme, err := c.schemeOf(ctx, again)
		if err != nil {
			return nil, err
		}
		results, err := c.admitAll(ctx, scheme, envelopes, replay)
		if again || !stale(results, err) {
			return results, err
		}
	}
}

// stale is true where nothing was admitted and a partition was not what the scheme
// says. Whatever was admitted must not be sent again.
func stale(results []result, err error) bool {
	misled := errors.Is(err, ErrWrongPartition) || errors.Is(err, ErrNotReady)
	for _, r := range results {
		if r.err == nil {
			return false
		}
		misled = misled || errors.Is(r.err, ErrWrongPartition) || errors.Is(r.err, ErrNotReady)
	}
	return misled
}

// notAskedError is a failure before anything was asked to be admitted.
type notAskedError struct{ error }

func (e *notAskedError) Unwrap() error { return e.error }

// Scheme is how the gateway spreads rooms over partitions: it says where an envelope
// goes. It is read once, and again if an enqueue finds that it has changed. The error
// is a *Refusal (errors.Is finds ErrNotReady) if no gateway has configured Redis yet.
func (c *Client) Scheme(ctx context.Context) (partition.Scheme, error) {
	return c.schemeOf(ctx, false)
}

func (c *Client) schemeOf(ctx context.Context, fresh bool) (partition.Scheme, error) {
	if s := c.scheme.Load(); s != nil && !fresh {
		return *s, nil
	}
	s, err := partition.ReadScheme(ctx, c.rdb)
	if errors.Is(err, partition.ErrNotReady) {
		return s, &Refusal{Code: CodeNotReady, Text: err.Error()}
	}
	if err != nil {
		return s, &notAskedError{err}
	}
	c.scheme.Store(&s)
	return s, nil
}

func (c *Client) admitAll(ctx context.Context, s partition.Scheme, envelopes []Envelope, replay string) ([]result, error) {
	results := make([]result, len(envelopes))
	if len(envelopes) == 1 {
		t, err := newTicket(&envelopes[0], s, replay)
		if err != nil {
			return []result{{err: refuse(err)}}, nil
		}
		return c.admitOne(ctx, s, t)
	}
	groups := make(map[int][]int)
	tickets := make([]ticket, len(envelopes))
	for i := range envelopes {
		t, err := newTicket(&envelopes[i], s, replay)
		if err != nil {
			results[i].err = refuse(err)
			continue
		}
		tickets[i] = t
		groups[t.partition] = append(groups[t.partition], i)
	}
	var wg sync.WaitGroup
	for index, members := range groups {
		wg.Go(func() { c.admitMembers(ctx, s, index, members, tickets, results) })
	}
	wg.Wait()
	return results, nil
}

// admitMembers admits the envelopes of one partition in their order; a call that
// fails is the error of all that it carried and of those that would follow.
func (c *Client) admitMembers(ctx context.Context, s partition.Scheme, index int, members []int, tickets []ticket, results []result) {
	var failed error
	for start := 0; start < len(members); start += batchSize {
		part := members[start:min(start+batchSize, len(members))]
		group := make([]ticket, len(part))
		for i, m := range part {
			group[i] = tickets[m]
		}
		var admitted []result
		if failed == nil {
			admitted, failed = c.admitGroup(ctx, s, index, group)
		}
		for i, m := range part {
			if failed != nil {
				results[m].err = failed
			} else {
				results[m] = admitted[i]
			}
		}
	}
}

// admitOne shares a call with others that come at the same time.
func (c *Client) admitOne(ctx context.Context, s partition.Scheme, t ticket) ([]result, error) {
	if c.together == nil {
		return c.admitGroup(ctx, s, t.partition, []ticket{t})
	}
	r, throttle, err := c.together.admit(ctx, s, t)
	if err != nil {
		return nil, err
	}
	pause(ctx, throttle)
	return []result{r}, nil
}

// admitGroup makes one call for many.
func (c *Client) admitGroup(ctx context.Context, s partition.Scheme, index int, group []ticket) ([]result, error) {
	results, throttle, err := admit(ctx, c.rdb, s, index, group)
	if err != nil {
		return nil, err
	}
	pause(ctx, throttle)
	return results, nil
}

// pause holds the producer up where the partition is degraded and the gateway asks
// for it.
func pause(ctx context.Context, ms int) {
	if ms > 0 {
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(ms) * time.Millisecond):
		}
	}
}

// refuse turns a fault found here into the refusal that the gateway would give.
func refuse(err error) error {
	var invalid *InvalidError
	if errors.As(err, &invalid) {
		return &Refusal{Code: CodeInvalid, Field: invalid.Field, Text: invalid.Why}
	}
	return err
}

// SendMessage sends a text and waits for its outcome. The error is an
// *OutboundError, also where the envelope was refused. Of an edit that a later one
// took the place of, it wraps a *SupersededError.
func (c *Client) SendMessage(ctx context.Context, e Envelope) (*Success, error) {
	return c.deliver(ctx, Send, e)
}

// EditMessage edits a text and waits for its outcome, as SendMessage does.
func (c *Client) EditMessage(ctx context.Context, e Envelope) (*Success, error) {
	return c.deliver(ctx, Edit, e)
}

// SendMedia sends media and waits for its outcome, as SendMessage does.
func (c *Client) SendMedia(ctx context.Context, e Envelope) (*Success, error) {
	return c.deliver(ctx, SendMedia, e)
}

// EditMedia edits media and waits for its outcome, as SendMessage does.
func (c *Client) EditMedia(ctx context.Context, e Envelope) (*Success, error) {
	return c.deliver(ctx, EditMedia, e)
}

func (c *Client) deliver(ctx context.Context, op Operation, e Envelope) (*Success, error) {
	e.Operation = op
	heard, err := c.expect(ctx, &e)
	if err != nil {
		return nil, refusedError(&e, err)
	}
	defer heard()
	receipt, err := c.Enqueue(ctx, e)
	if err != nil {
		out := refusedError(&e, err)
		if s := c.scheme.Load(); s != nil {
			out.Partition = s.RouteThread(e.BridgeID, e.ExternalRoomID, e.ThreadID())
		}
		// Without an answer it may be admitted and delivered all the same.
		var refusal *Refusal
		var unasked *notAskedError
		out.Ambiguous = !errors.As(err, &refusal) && !refusedByRedis(err) && !errors.As(err, &unasked)
		return nil, out
	}
	outcome, err := c.wait(ctx, receipt, heard)
	if err != nil {
		out := refusedError(&e, err)
		out.ID, out.Partition = receipt.ID, receipt.Partition
		// It is admitted and may yet be delivered.
		out.Ambiguous = true
		return nil, out
	}
	if outcome.Superseded != nil {
		out := refusedError(&e, outcome.Err())
		out.ID, out.Partition = receipt.ID, receipt.Partition
		return nil, out
	}
	if outcome.Success != nil {
		outcome.Success.Idempotent = receipt.Idempotent
	}
	return outcome.Success, outcome.Err()
}

// expect listens to the partition of an envelope that is about to be admitted, for its
// outcome may be published before its receipt is here. It returns what ends that.
func (c *Client) expect(ctx context.Context, e *Envelope) (heard func(), err error) {
	scheme, err := c.schemeOf(ctx, false)
	if err != nil {
		return func() {}, nil //nolint:nilerr // the enqueue meets it too, and says it in full
	}
	keys := partition.Keys{Queue: scheme.Queue(scheme.RouteThread(e.BridgeID, e.ExternalRoomID, e.ThreadID()))}
	return c.waiter.expect(ctx, keys.Outcomes())
}

// refusedByRedis is true where Redis answered that it did not do the call. A script
// that fails half way may have admitted others of it, or this one.
func refusedByRedis(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply) && !strings.Contains(reply.Error(), "user_script")
}

// refusedError is the outcome of an envelope that never had one.
func refusedError(e *Envelope, err error) *OutboundError {
	reason := classify.ReasonPartitionUnavailable
	var refusal *Refusal
	switch {
	case errors.As(err, &refusal):
		reason = refusal.Reason()
		var invalid *InvalidError
		if errors.As(err, &invalid) && invalid.Field == "external_message_id" && e.Operation.IsEdit() && e.ExternalMessageID == "" {
			reason = classify.ReasonMissingExternalMessageID
		}
	case errors.As(err, new(*SupersededError)):
		reason = classify.ReasonSuperseded
	case errors.Is(err, context.Canceled):
		reason = classify.ReasonCanceled
	case errors.Is(err, context.DeadlineExceeded):
		reason = classify.ReasonTimeout
	}
	return NewOutboundError(e, judged(reason), err)
}
