// Package channeltest is the conformance suite that every channel passes. It is
// imported from tests only. A channel's test gives the suite a way to build the
// channel, and a fake provider in which the suite can see what was sent:
//
//	channeltest.Run(t, channeltest.Harness{
//		New: func(url string) (channeltest.Channel, error) {
//			return acme.New(acme.Config{BaseURL: url, Token: "s3cret"})
//		},
//		Provider: func(testing.TB, string) channeltest.Provider {
//			fake := acmefake.New("s3cret")
//			return channeltest.Provider{
//				Handler:  fake,
//				Messages: func(room string) []channeltest.Message { return fake.Room(room) },
//				Revoke:   func() { fake.SetToken("another") },
//			}
//		},
//		Secrets:  []string{"s3cret"},
//		Refusals: map[string]channeltest.Refusal{"no such room": {Status: 404, Want: …}},
//	})
//
// The suite serves the fake, sends through the channel, and compares what it sent
// with what stands in the rooms. It breaks one request after another, and calls the
// optional methods Edit, SendMedia, EditMedia, Delete, Find and Check where the
// channel has them. It checks that the channel
//
//   - posts the whole text into its room, in its format, and returns the real id;
//   - edits, finds and deletes the message it is given, and no other;
//   - sends media, formats and tokens as its Capabilities declare;
//   - knows what was not sent from what may have been, also when an upload fails;
//   - gives the documented errors of its provider the right verdicts;
//   - returns when its context ends, and may be used concurrently;
//   - survives any reply, follows no redirect, and tells no secret.
//
// A failure says what the suite got, what it wanted, and where to look.
package channeltest

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/tasks"
)

// Channel is what the suite needs of a channel. The suite also calls the methods of
// the optional interfaces of package provider, if the channel has them.
type Channel interface {
	Type() string
	Capabilities() tasks.Capabilities
	Send(ctx context.Context, m tasks.Message) (tasks.Delivery, error)
}

// Harness is what a channel's test tells the suite of the channel.
type Harness struct {
	// New builds the channel for a provider at a URL like http://127.0.0.1:1234, with
	// the Secrets in its configuration. The suite closes a channel that has Close.
	New func(url string) (Channel, error)
	// Provider makes a fake provider that has no messages. The suite serves its
	// Handler at the URL; most fakes need to know neither the test nor the URL.
	Provider func(tb testing.TB, url string) Provider
	// Unseen is true if nobody can see what the channel sends: Provider is nil, and
	// only the checks that do without it run.
	Unseen bool
	// Rooms are two rooms that the provider knows; nil is "42" and "43".
	Rooms []string
	// Secrets must not be in any error.
	Secrets []string
	// Refusals are the documented errors of the provider, each by a sentence.
	Refusals map[string]Refusal
	// PlainText is true if the provider shows no markup: then Markdown may stand in
	// the room as it was written.
	PlainText bool
	// NoCredential is true if Check tries none, because the provider asks for none.
	NoCredential bool
	// Grace is how long the channel may take to notice that its context has ended;
	// zero is five seconds.
	Grace time.Duration
}

// Provider is a fake provider, as the suite sees it.
type Provider struct {
	// Handler answers the HTTP requests of the channel. It enforces no rate limits.
	Handler http.Handler
	// Address is for a provider that does not speak HTTP: it is given to New in the
	// place of the URL, and the checks of HTTP are left out. Handler then takes the
	// uploads, if they go over HTTP.
	Address string
	// Messages are those that stand in a room now, the oldest first. An edit changes
	// its message, and a deleted message is not there.
	Messages func(room string) []Message
	// Revoke makes the channel's credential invalid from now on. A channel with Check
	// needs it.
	Revoke func()
	// Advance moves the provider's clock. A channel that declares a Window needs it.
	Advance func(d time.Duration)
}

// Message is one that stands in a room, as its readers see it.
type Message struct {
	// ID is what the provider calls the message.
	ID string
	// Text is the text or the caption without its markup, and Strong the part of it
	// that is bold. Reading finds both in Markdown and HTML.
	Text, Strong string
	// Media is the name of a file or the address of media, empty for neither. Size is
	// how many bytes the provider got; zero if it got the address only.
	Media string
	Size  int64
}

// Delete is the operation of a Refusal that Delete meets.
const Delete tasks.Operation = "delete"

// Refusal is an answer of the provider, and what it means.
type Refusal struct {
	// Operation meets the refusal; empty is tasks.Send.
	Operation tasks.Operation
	Status    int
	Header    map[string]string
	Body      string
	// Want is the verdict; its Provider is not compared.
	Want classify.Verdict
}

// check is one promise of a channel.
type check struct {
	name string
	run  func(tb testing.TB, s *suite)
}

var (
	// local holds for every channel, seen for those with a Provider, and overHTTP for
	// those that speak HTTP with it.
	local = []check{
		{"has exactly the operations it declares", operations},
		{"delivers by each operation", deliveries},
		{"may be used concurrently", concurrency},
		{"sends nothing once its context has ended", endedContext},
	}
	seen = []check{
		{"posts into the room it is given", rooms},
		{"posts the whole text", wholeText},
		{"returns the id that the provider gave", ids},
		{"edits the message it is given, and no other", edits},
		{"shows a text in its format", formats},
		{"sends media as it declares", media},
		{"makes no double while the provider knows its token", doubles},
		{"finds the message of its token, and no other", finds},
		{"deletes the message it is given, or says that it could not", deletes},
		{"checks its credential, and sends nothing", credential},
		{"is in doubt about the message alone", doubts},
	}
	overHTTP = []check{
		{"returns when its context ends", endingContext},
		{"reads a bounded part of an endless reply", endlessReply},
		{"survives any reply", anyReply},
		{"has no secret in its errors", secrecy},
		{"uses its connection again", reuse},
		{"follows no redirect", redirects},
		{"knows what was not sent from what may have been", sent},
		{"gives the documented errors their verdicts", refusals},
		{"is in doubt about a 500 unless a second request is dropped", serverErrors},
	}
)

// Run checks a channel.
func Run(t *testing.T, h Harness) {
	t.Helper()
	s := &suite{Harness: h}
	for _, c := range s.checks(t) {
		t.Run(c.name, func(t *testing.T) { c.run(t, s) })
	}
}

// checks are those that hold for the channel.
func (s *suite) checks(tb testing.TB) []check {
	all := local[:len(local):len(local)]
	if s.Provider == nil {
		if !s.Unseen {
			tb.Error("got a harness without a Provider, want one: without it the suite cannot see what the channel sends. Look at Harness.Provider")
		}
		return all
	}
	all = append(all, seen...)
	if s.newStage(tb).overHTTP() {
		all = append(all, overHTTP...)
	}
	return all
}
