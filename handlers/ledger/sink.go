package ledger

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"math"
	"net/http"
	"strconv"
	"time"
)

// maxBody bounds what a Sink reads of one request.
const maxBody = 4 << 20

// Sink is the receiver of a webhook bridge: it records every delivery and misbehaves as
// its fields say, the first of Reply, Throttle, FailShare, Hang that applies. Set them
// before the first request; their functions must be safe for concurrent use.
type Sink struct {
	Ledger *Ledger
	// Reply decides any answer; status 0 without hang leaves it to the other fields. A
	// hang is never answered, and its message is accepted if the status is 0 or 2xx.
	Reply func(rec Record) (status int, header http.Header, hang bool)
	// Throttle answers 429 with that Retry-After, rounded up to a second, if it returns
	// more than 0.
	Throttle func(rec Record) time.Duration
	// FailShare is the share of attempts, 0 to 1, that are answered with FailStatus, 503
	// by default. The webhook id and the attempt decide which, so every run fails the
	// same attempts and a retry may succeed.
	FailShare  float64
	FailStatus int
	// Hang accepts the message and never answers.
	Hang func(rec Record) bool
	// Latency is how long an answer takes; nil means no time.
	Latency func(rec Record) time.Duration
}

// answer is the reply to a request.
type answer struct {
	status int
	header http.Header
	hang   bool
}

func (a answer) accepted() bool { return a.status >= 200 && a.status < 300 }

// ServeHTTP receives one delivery. It answers 400, and records nothing, if the request is
// not a numbered message of one piece.
func (s *Sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	rec, err := parse(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	rec.Start = start
	span := s.Ledger.begin(rec)
	a := s.decide(rec)
	if !s.stay(r, rec, a) {
		span.EndHung(a.accepted())
		return
	}
	maps.Copy(w.Header(), a.header)
	w.Header().Set("Content-Type", "application/json")
	// End before the reply leaves: then the next delivery may arrive at any moment.
	span.End(a.accepted())
	w.WriteHeader(a.status)
	if a.accepted() {
		_, _ = fmt.Fprintf(w, `{"message_id":%q}`, "m-"+rec.ID)
	}
}

// stay waits as long as the answer takes. It returns false if the caller hung up first.
func (s *Sink) stay(r *http.Request, rec Record, a answer) bool {
	if a.hang {
		<-r.Context().Done()
		return false
	}
	if s.Latency == nil {
		return true
	}
	timer := time.NewTimer(s.Latency(rec))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

func (s *Sink) decide(rec Record) answer {
	if s.Reply != nil {
		status, header, hang := s.Reply(rec)
		if status == 0 && hang {
			status = http.StatusOK
		}
		if status != 0 {
			return answer{status, header, hang}
		}
	}
	if s.Throttle != nil {
		if after := s.Throttle(rec); after > 0 {
			seconds := int(math.Ceil(after.Seconds()))
			return answer{status: http.StatusTooManyRequests, header: http.Header{"Retry-After": {strconv.Itoa(seconds)}}}
		}
	}
	if draw(rec) < s.FailShare {
		if s.FailStatus == 0 {
			return answer{status: http.StatusServiceUnavailable}
		}
		return answer{status: s.FailStatus}
	}
	return answer{status: http.StatusOK, hang: s.Hang != nil && s.Hang(rec)}
}

// draw is a number in [0,1) that depends on the id and the attempt only.
func draw(rec Record) float64 {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s/%d", rec.ID, rec.Attempt)
	x := h.Sum64()
	// FNV's high bits are alike for short inputs; this spreads them (splitmix64).
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return float64((x^x>>31)>>11) / (1 << 53)
}

// parse reads a request of the webhook channel.
func parse(r *http.Request) (Record, error) {
	var body struct {
		Data struct {
			ID         string `json:"id"`
			RoutingKey string `json:"routing_key"`
			Text       string `json:"text"`
			Media      struct {
				Caption string `json:"caption"`
			} `json:"media"`
			Attempt int `json:"attempt"`
			Chunk   struct {
				Count int `json:"count"`
			} `json:"chunk"`
		} `json:"data"`
	}
	// Reading to the end lets the server notice when the caller hangs up.
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return Record{}, fmt.Errorf("read the body: %w", err)
	}
	if err := json.Unmarshal(raw, &body); err != nil {
		return Record{}, fmt.Errorf("decode the body: %w", err)
	}
	data := body.Data
	if data.Chunk.Count > 1 {
		return Record{}, fmt.Errorf("message %s is in %d pieces, want one", data.ID, data.Chunk.Count)
	}
	text := data.Text
	if text == "" {
		text = data.Media.Caption
	}
	seq, ok := ParseSeq(text)
	if !ok {
		return Record{}, fmt.Errorf("message %s has the text %.40q, want one that begins with %q", data.ID, text, textPrefix)
	}
	id := r.Header.Get("Webhook-Id")
	if id == "" {
		id = data.ID
	}
	return Record{Room: data.RoutingKey, Seq: seq, ID: id, Attempt: data.Attempt}, nil
}
