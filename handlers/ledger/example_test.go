package ledger_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/outgate/outgate/handlers/ledger"
)

func ExampleSink() {
	sink := &ledger.Sink{Ledger: ledger.New()}
	server := httptest.NewServer(sink)
	defer server.Close()

	for _, seq := range []int{1, 3, 2} {
		body := fmt.Sprintf(`{"data":{"id":"id-%d","routing_key":"orders:1","text":%q,"attempt":1}}`, seq, ledger.Text(seq))
		request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, server.URL, strings.NewReader(body))
		if err != nil {
			fmt.Println(err)
			return
		}
		response, err := server.Client().Do(request)
		if err != nil {
			fmt.Println(err)
			return
		}
		_ = response.Body.Close()
	}

	report := sink.Ledger.Check(ledger.Expect{Rooms: map[string]int{"orders:1": 4}})
	fmt.Println(report)
	fmt.Println(strings.ReplaceAll(report.Err().Error(), "; ", "\n"))
	// Output:
	// delivered       3
	// attempts        3
	// lost            1
	// out of order    2
	// overlaps        0
	// duplicates      0, 0 unexplained
	// unexpected      0
	//
	// the record breaks its promises: lost: room orders:1 seq 4
	// out of order: room orders:1 seq 3 came before seq 2 was settled
	// out of order: room orders:1 seq 2 came after seq 3
}

func ExampleLedger_MaxInWindow() {
	l := ledger.New()
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i, ms := range []int{0, 400, 800, 1200} {
		at := start.Add(time.Duration(ms) * time.Millisecond)
		l.Add(ledger.Record{Room: "tg:1", Seq: i + 1, Start: at, End: at, Accepted: true})
	}
	fmt.Println(l.MaxInWindow(ledger.Pace{Count: 2, Window: time.Second}))
	// Output: 3 in 1s, 2 allowed
}

func ExampleWindow() {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	most, at := ledger.Window([]time.Time{start, start.Add(900 * time.Millisecond), start.Add(time.Second)}, time.Second)
	fmt.Println(most, at.Sub(start))
	// Output: 2 0s
}
