package tasks_test

import (
	"bytes"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/partition/redistest"
	"github.com/outgate/outgate/tasks"
)

// cutter is a proxy that passes everything on, but cuts the connection instead of
// returning the reply to one call of a script: the call was made, its reply is
// lost.
type cutter struct {
	addr, target string
	cutAt        int64
	seen         atomic.Int64
}

func newCutter(t *testing.T, target string, cutAt int64) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	p := &cutter{addr: l.Addr().String(), target: target, cutAt: cutAt}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { p.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	return p
}

func (p *cutter) client(t *testing.T) *redis.Client {
	t.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: p.addr, DisableIdentity: true})
	t.Cleanup(func() { _ = rdb.Close() })
	return rdb
}

func (p *cutter) calls() int { return int(p.seen.Load()) }

func (p *cutter) serve(client net.Conn) {
	defer func() { _ = client.Close() }()
	redis, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer func() { _ = redis.Close() }()
	var cut atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 64<<10)
		for {
			n, err := redis.Read(buf)
			if err != nil || cut.Load() {
				_ = client.Close()
				return
			}
			_, _ = client.Write(buf[:n])
		}
	}()
	buf := make([]byte, 1<<20)
	for {
		n, err := client.Read(buf)
		if n > 0 {
			calls := int64(bytes.Count(bytes.ToLower(buf[:n]), []byte("\r\nevalsha\r\n")))
			if total := p.seen.Add(calls); calls > 0 && total >= p.cutAt && total-calls < p.cutAt {
				cut.Store(true)
			}
			_, _ = redis.Write(buf[:n])
		}
		if err != nil {
			break
		}
	}
	_ = redis.Close()
	<-done
}

func TestLostReplyAdmitsNothingTwice(t *testing.T) {
	clients := map[string]func(t *testing.T, addr string) redis.UniversalClient{
		"a client": func(_ *testing.T, addr string) redis.UniversalClient {
			return redis.NewClient(&redis.Options{Addr: addr, MaxRetries: 5, DisableIdentity: true})
		},
		"a ring": func(_ *testing.T, addr string) redis.UniversalClient {
			return redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"one": addr}, MaxRetries: 5, DisableIdentity: true})
		},
	}
	for name, open := range clients {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			s := announce(t, server.Client(), onePartition)
			proxy := newCutter(t, server.Addr, 1)
			rdb := open(t, proxy.addr)
			t.Cleanup(func() { _ = rdb.Close() })
			c := newClient(t, rdb)
			e := keyed(message("1", "x"), "k")

			r, err := c.Enqueue(t.Context(), e)
			if err == nil {
				t.Fatalf("the reply was lost, and yet there is the receipt %+v", r)
			}
			if refusal := new(*tasks.Refusal); errors.As(err, refusal) {
				t.Errorf("a lost reply is the refusal %v", *refusal)
			}
			if held := depth(t, server.Client(), s.Scheme.Queue(0)); held != 1 || proxy.calls() != 1 {
				t.Errorf("the partition holds %d after %d calls, want 1 after 1", held, proxy.calls())
			}
			// The key makes it safe to try again.
			if r := enqueue(t, c, e); r.Status != tasks.Duplicate {
				t.Errorf("again: %+v", r)
			}
			if held := depth(t, server.Client(), s.Scheme.Queue(0)); held != 1 {
				t.Errorf("the partition holds %d", held)
			}
		})
	}
}

func TestSendThatNeverReachedRedisIsNotAmbiguous(t *testing.T) {
	nobody, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	must(t, nobody.Close())
	rdb := redis.NewClient(&redis.Options{Addr: nobody.Addr().String(), MaxRetries: -1, DialerRetries: 1})
	closeAfter(t, rdb)
	_, err = newClient(t, rdb).SendMessage(t.Context(), message("1", "x"))
	failed, ok := errors.AsType[*tasks.OutboundError](err)
	if !ok || failed.Ambiguous || failed.Reason != classify.ReasonPartitionUnavailable || !failed.Retryable {
		t.Errorf("SendMessage: %#v", err)
	}
	if refused := new(*net.OpError); !errors.As(err, refused) {
		t.Errorf("%v does not say why", err)
	}
}

func TestSendWithALostReplyIsAmbiguous(t *testing.T) {
	server := redistest.Start(t)
	announce(t, server.Client())
	_, err := newClient(t, newCutter(t, server.Addr, 1).client(t)).SendMessage(t.Context(), message("1", "x"))
	failed, ok := errors.AsType[*tasks.OutboundError](err)
	if !ok || !failed.Ambiguous || failed.Reason != classify.ReasonPartitionUnavailable || !failed.Retryable {
		t.Errorf("SendMessage: %#v", err)
	}
}
