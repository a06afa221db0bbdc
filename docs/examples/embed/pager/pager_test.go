package pager_test

import (
	"testing"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/channeltest"

	"example.com/embed/pager"
)

const token = "s3cret-token"

func TestConformance(t *testing.T) {
	verdict := func(reason classify.Reason) classify.Verdict {
		return classify.Verdict{Category: reason.Category(), Reason: reason}
	}
	channeltest.Run(t, channeltest.Harness{
		New: func(url string) (channeltest.Channel, error) {
			return pager.New(pager.Config{URL: url, Token: token, AllowPrivate: true})
		},
		Provider: func(testing.TB, string) channeltest.Provider {
			fake := &pager.Fake{Token: token}
			return channeltest.Provider{Handler: fake, Messages: func(room string) []channeltest.Message {
				var all []channeltest.Message
				for _, p := range fake.Pages(room) {
					all = append(all, channeltest.Message{ID: p.ID, Text: p.Text})
				}
				return all
			}}
		},
		Secrets:   []string{token},
		PlainText: true,
		Refusals: map[string]channeltest.Refusal{
			"a closed room":    {Status: 409, Body: `{"code":"room_closed"}`, Want: verdict(classify.ReasonRoomUnavailable)},
			"a long text":      {Status: 400, Body: `{"code":"text_too_long"}`, Want: verdict(classify.ReasonMessageTooLong)},
			"an expired token": {Status: 401, Body: `{"code":"token_expired"}`, Want: verdict(classify.ReasonUnauthorized)},
			"another code":     {Status: 400, Body: `{"code":"new"}`, Want: verdict(classify.ReasonRejected)},
		},
	})
}
