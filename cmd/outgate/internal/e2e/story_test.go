package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/outgate/outgate/cmd/outgate/internal/daemon/daemontest"
	"github.com/outgate/outgate/cmd/outgate/internal/outgatetest"
	"github.com/outgate/outgate/handlers/gatewaytest"
	"github.com/outgate/outgate/handlers/page/chromium"
	"github.com/outgate/outgate/handlers/telegram/telegramfake"
	"github.com/outgate/outgate/tasks"
)

// TestTheOperatorsStory plays a bad day on the page: a token is revoked under load, the
// operator replaces it and resumes the bridge, and replays 500 dead letters. If
// OUTGATE_SCREENSHOTS names a folder, each step saves screenshots there.
func TestTheOperatorsStory(t *testing.T) {
	s := newStory(t)
	s.theTokenIsRevokedUnderLoad()
	s.theOperatorReplacesTheToken()
	s.theQueueDrainsInOrder()
	s.deadLettersPileUp()
	s.theyAreReplayed()
	s.nothingIsLost()
	s.page.Quiet()
}

const (
	// The messages to the Telegram bot; its rate limit paces them.
	storyRooms, storyEach = 20, 40
	storyLetters          = 500
)

type story struct {
	*gateway
	fake  *telegramfake.Fake
	api   *barrier
	shop  *shop
	token string // the file of the token
	page  *chromium.Browser
	steps int

	receipts []tasks.Receipt // of the bot's messages
	burned   int             // how many of them failed with the revoked token
	orders   map[string]int  // how many messages were sent to the shop, by room
}

func newStory(t *testing.T) *story {
	t.Helper()
	s := &story{
		fake: telegramfake.New(telegramfake.Config{Token: "1:old", Limits: telegramfake.Unlimited}), shop: &shop{got: make(map[string][]string)},
		page: chromium.New(t), orders: make(map[string]int),
	}
	s.api = &barrier{next: s.fake}
	bot, shop := httptest.NewServer(s.api), httptest.NewServer(s.shop)
	t.Cleanup(func() { s.api.open(); bot.Close(); shop.Close() })
	s.token = filepath.Join(t.TempDir(), "token")
	outgatetest.WriteFile(t, s.token, "1:old")
	s.gateway = &gateway{
		provider: &provider{fakeServer: s.fake, room: func(n int) string { return fmt.Sprint(1000 + n) }},
		Daemon: daemontest.Start(t, bridgesYAML(
			fmt.Sprintf("  - {id: b, channel: telegram, token_file: %q, base_url: %q, limits: {bridge: \"200/1s\", room: \"1000/1s\"}}\n", s.token, bot.URL),
			fmt.Sprintf("  - {id: orders, channel: webhook, url: %q, allow_private: true}\n", shop.URL))),
	}
	s.Patience = patience
	s.page.Look(1400, 900, "light")
	s.page.Open(s.URL)
	return s
}

// shoot saves screenshots of a step in both colour schemes.
func (s *story) shoot(name string) {
	s.T.Helper()
	s.steps++
	for _, scheme := range []string{"dark", "light"} {
		s.page.Look(1400, 900, scheme)
		s.page.Shoot(fmt.Sprintf("story-%d-%s-%s", s.steps, name, scheme))
	}
}

func (s *story) theTokenIsRevokedUnderLoad() {
	s.T.Helper()
	for seq := range storyEach {
		var round []tasks.Envelope
		for room := range storyRooms {
			round = append(round, s.envelope(room, tasks.Send, tasks.Text(fmt.Sprintf("%02d", seq)), ""))
		}
		s.receipts = append(s.receipts, s.EnqueueBatch(round...)...)
	}
	gatewaytest.Until(s.T, "it delivers", func() bool { return s.fake.Counts().Requests >= 100 })
	s.page.Until(`document.querySelector("#now [data-f=parked]").innerText !== "0"`)
	s.shoot("under-load")
	s.fake.SetToken("1:new")
	s.page.Shows("#bridges tr[data-key=b]", "suspended by gateway")
	s.page.Shows("#bridges tr[data-key=b]", "unauthorized")
	s.page.Shows("#rooms", "its suspended bridge")
	s.page.Shows("#events", "bridge suspended")
	s.page.Until(`document.title === "outgate (1 suspended)"`)
	s.shoot("suspended")
}

func (s *story) theOperatorReplacesTheToken() {
	s.T.Helper()
	// The gateway probes by itself as soon as it has the new token. Its provider takes
	// its time to answer, so that the operator is first.
	s.api.shut()
	outgatetest.WriteFile(s.T, s.token, "1:new")
	s.Hangup <- syscall.SIGHUP
	s.Logs(s.T, "bridges.reloaded")
	s.page.Click("#bridges tr[data-key=b] [data-act=resume]")
	s.page.Shows("#bridges tr[data-key=b] .pill", "up")
	s.page.Until(`document.querySelector("#bridges tr[data-key=b] [data-act=resume]").hidden`)
	s.page.Shows("#events tr:first-child", "bridge resumed")
	s.page.Shows("#events tr:first-child", "operator")
	s.shoot("resumed")
	s.api.open()
}

func (s *story) theQueueDrainsInOrder() {
	s.T.Helper()
	for _, o := range s.Outcomes(s.receipts...) {
		if o.Error != nil {
			s.burned++
			if o.Error.Reason != "unauthorized" {
				s.T.Errorf("outcome %+v", o.Error)
			}
		}
	}
	if s.burned < 3 || s.burned > storyRooms {
		s.T.Errorf("the dead token cost %d messages", s.burned)
	}
	delivered := 0
	for room := range storyRooms {
		texts := s.texts(room)
		delivered += len(texts)
		if !slices.IsSorted(texts) || len(slices.Compact(slices.Clone(texts))) != len(texts) {
			s.T.Errorf("room %d reads %v", room, texts)
		}
	}
	if delivered != len(s.receipts)-s.burned {
		s.T.Errorf("%d of %d delivered, with %d burned", delivered, len(s.receipts), s.burned)
	}
	s.page.Shows("#now", "Waiting\n0")
	s.shoot("drained")
}

func (s *story) deadLettersPileUp() {
	s.T.Helper()
	var refused []tasks.Envelope
	for i := range storyLetters - s.burned {
		room := fmt.Sprintf("customer-%02d", i%25)
		refused = append(refused, tasks.Envelope{
			Operation: tasks.Send, BridgeID: "orders", ExternalRoomID: room, Payload: tasks.Text(fmt.Sprintf("%03d", s.orders[room])),
		})
		s.orders[room]++
	}
	s.Outcomes(s.EnqueueBatch(refused...)...)
	s.page.Shows("#groups tr[data-key=rejected] [data-f=open]", fmt.Sprint(storyLetters-s.burned))
	s.page.Shows("#groups tr[data-key=unauthorized] [data-f=open]", fmt.Sprint(s.burned))
	s.page.Shows("#now", "500 open of 500")
	s.shoot("dead-letters")
	s.shop.repaired.Store(true)
}

func (s *story) theyAreReplayed() {
	s.T.Helper()
	s.page.Click("#filter [data-act=replay]")
	s.page.Shows("#dialog", "500 dead letters will be sent again")
	s.page.Shows("#dialog-go", "Replay 500")
	s.page.Eval(`document.querySelector("#dialog [name=pace]").value = "200"`)
	s.shoot("counted")
	s.page.Click("#dialog-go")
	s.page.Shows("#jobs", "Replay: running")
	s.page.Until(`(() => { const p = document.querySelector("#jobs progress"); return p.hasAttribute("value") && p.value > 0 && p.value < p.max; })()`)
	s.shoot("progress")
	s.page.Shows("#jobs", "Replay: done, 500 of 500")
	s.page.Until(`[...document.querySelectorAll("#groups [data-f=open]")].every((n) => n.innerText === "0")`)
	s.page.Shows("#now", "0 open of 500")
	s.page.Shows("#now", "Waiting\n0")
	s.page.Shows("#events tr:first-child", "done, 500 of 500")
	s.shoot("replayed")
}

// nothingIsLost checks that each message is in its room once.
func (s *story) nothingIsLost() {
	s.T.Helper()
	for room := range storyRooms {
		texts := slices.Sorted(slices.Values(s.texts(room)))
		if len(texts) != storyEach || len(slices.Compact(texts)) != storyEach {
			s.T.Errorf("room %d reads %v", room, texts)
		}
	}
	for room, n := range s.orders {
		if got := s.shop.texts(room); len(got) != n || !slices.IsSorted(got) || len(slices.Compact(got)) != n {
			s.T.Errorf("%s got %v, want %d", room, got, n)
		}
	}
}

// barrier passes requests to a provider. While it is shut, requests wait.
type barrier struct {
	next   http.Handler
	mu     sync.Mutex
	closed chan struct{} // nil while it is open
}

func (g *barrier) shut() {
	g.mu.Lock()
	g.closed = make(chan struct{})
	g.mu.Unlock()
}

func (g *barrier) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed != nil {
		close(g.closed)
		g.closed = nil
	}
}

func (g *barrier) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	closed := g.closed
	g.mu.Unlock()
	if closed != nil {
		<-closed
	}
	g.next.ServeHTTP(w, r)
}

// shop is a webhook receiver that refuses all messages until it is repaired.
type shop struct {
	repaired atomic.Bool
	mu       sync.Mutex
	got      map[string][]string // texts by room
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Data struct {
			Room string `json:"external_room_id"`
			Text string `json:"text"`
		} `json:"data"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || !s.repaired.Load() {
		http.Error(w, "the currency is missing", http.StatusUnprocessableEntity)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got[body.Data.Room] = append(s.got[body.Data.Room], body.Data.Text)
}

func (s *shop) texts(room string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got[room])
}
