package telegram

import "sync"

// maxMoves is how many moves are remembered. One that is forgotten costs a refusal
// more, which tells it again.
const maxMoves = 1024

// moves are the groups that became supergroups: the new id of each.
type moves struct {
	mu sync.RWMutex
	to map[string]int64
}

func (m *moves) get(room string) (int64, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	to, ok := m.to[room]
	return to, ok
}

func (m *moves) put(room string, to int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.to == nil {
		m.to = make(map[string]int64)
	}
	if _, known := m.to[room]; !known && len(m.to) >= maxMoves {
		for any := range m.to {
			delete(m.to, any)
			break
		}
	}
	m.to[room] = to
}
