package handlers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/httpsend"
	"github.com/outgate/outgate/tasks"
)

// pager is a channel of an app's own: it posts texts to its provider over HTTP.
type pager struct {
	url    *url.URL
	sender *httpsend.Sender
}

// meaning is what the provider's codes mean. HTTP's statuses are known without it.
var meaning = map[string]classify.Reason{
	"room_closed": classify.ReasonRoomUnavailable,
	"bad_token":   classify.ReasonUnauthorized,
}

func (p *pager) Type() string { return "pager" }

func (p *pager) Capabilities() tasks.Capabilities {
	return tasks.Capabilities{
		Operations:  []tasks.Operation{tasks.Send},
		Idempotency: tasks.Blind,             // nobody can ask it whether it has a message
		Text:        tasks.Length{Max: 1000}, // longer texts are sent in pieces
	}
}

func (p *pager) Send(ctx context.Context, m tasks.Message) (tasks.Delivery, error) {
	body, err := json.Marshal(map[string]string{"room": m.ExternalRoomID, "text": m.Text})
	if err != nil {
		return tasks.Delivery{}, &classify.Error{Channel: "pager", Op: "post", Sent: classify.SentNo, Err: err}
	}
	reply, err := p.sender.Do(ctx, httpsend.Request{Op: "post", Method: http.MethodPost, URL: p.url, Body: body})
	if err != nil {
		return tasks.Delivery{}, err // no answer: it says how far the request came
	}
	var answer struct{ ID, Code, Message string }
	decodeErr := json.Unmarshal(reply.Body, &answer)
	if !reply.OK() {
		refused := p.sender.Refused("post", reply, answer.Code, answer.Message)
		refused.Reason = meaning[answer.Code]
		return tasks.Delivery{}, refused
	}
	if decodeErr != nil || answer.ID == "" { // taken, or not: nobody knows
		return tasks.Delivery{}, &classify.Error{Channel: "pager", Op: "post", Sent: classify.SentUnknown, Reason: classify.ReasonInvalidReply}
	}
	return tasks.Delivery{MessageID: answer.ID}, nil
}

// A channel of an app's own, over HTTP: it sends one request and reports facts. When it
// is tried again, and whether, is the gateway's to decide.
func ExampleChannel() {
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var post struct{ Room, Text string }
		_ = json.NewDecoder(r.Body).Decode(&post)
		if post.Room == "attic" {
			w.WriteHeader(http.StatusConflict)
			_, _ = fmt.Fprint(w, `{"code":"room_closed","message":"the attic is closed"}`)
			return
		}
		_, _ = fmt.Fprintf(w, `{"id":"page-%d"}`, len(post.Text))
	}))
	defer provider.Close()
	u, _ := url.Parse(provider.URL)
	channel := &pager{url: u, sender: httpsend.New(httpsend.Config{Channel: "pager", AllowPrivate: true})}

	rdb, closeRedis := exampleRedis()
	defer closeRedis()
	worker, err := handlers.New(rdb, handlers.Config{Bridges: []*handlers.Bridge{{ID: "oncall", Channel: channel}}})
	if err != nil {
		log.Panic(err)
	}
	ctx := context.Background()
	if err := worker.Start(ctx); err != nil {
		log.Panic(err)
	}
	defer func() { _ = worker.Stop(ctx) }()

	client := worker.Client()
	defer func() { _ = client.Close() }()
	for _, room := range []string{"cellar", "attic"} {
		sent, err := client.SendMessage(ctx, tasks.Envelope{BridgeID: "oncall", ExternalRoomID: room, Payload: tasks.Text("water!")})
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(sent.RoutingKey, sent.MessageID)
	}
	// Output:
	// oncall:cellar page-6
	// outbound send to oncall:attic: room_unavailable (terminal, attempt 1 of 5): 409 room_closed the attic is closed
}
