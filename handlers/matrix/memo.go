package matrix

import (
	"sync"
	"time"
)

// maxMemo bounds what a memo holds.
const maxMemo = 1000

// memo remembers answers for a while, so that they are not asked for each time. It
// is safe for concurrent use.
type memo struct {
	ttl time.Duration
	now func() time.Time

	mu     sync.Mutex
	values map[string]remembered
}

type remembered struct {
	value string
	until time.Time
}

func newMemo(ttl time.Duration, now func() time.Time) *memo {
	return &memo{ttl: ttl, now: now, values: make(map[string]remembered)}
}

func (m *memo) get(key string) (string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.values[key]
	return r.value, ok && m.now().Before(r.until)
}

// put remembers a value.
func (m *memo) put(key, value string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if len(m.values) >= maxMemo {
		m.shrink(now)
	}
	m.values[key] = remembered{value, now.Add(m.ttl)}
}

// shrink drops what has expired, and if that is nothing, all.
func (m *memo) shrink(now time.Time) {
	for key, r := range m.values {
		if !now.Before(r.until) {
			delete(m.values, key)
		}
	}
	if len(m.values) >= maxMemo {
		clear(m.values)
	}
}

func (m *memo) forget(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.values, key)
}
