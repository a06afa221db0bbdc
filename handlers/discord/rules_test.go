package discord_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/discord"
)

func TestDiscordErrors(t *testing.T) {
	const (
		retryable = classify.Retryable
		terminal  = classify.Terminal
		fatal     = classify.Fatal
	)
	tests := map[string]struct {
		status   int
		code     string
		message  string
		category classify.Category
		reason   classify.Reason
	}{
		"429 waits":                                     {429, "", "You are being rate limited.", retryable, classify.ReasonRateLimited},
		"slowmode waits":                                {429, "20016", "This action cannot be performed due to slowmode rate limit", retryable, classify.ReasonRateLimited},
		"slowmode waits whatever its status":            {400, "20016", "This action cannot be performed due to slowmode rate limit", retryable, classify.ReasonRateLimited},
		"edits of announcements wait":                   {429, "20022", "This message cannot be edited due to announcement rate limits", retryable, classify.ReasonRateLimited},
		"writes to a channel wait":                      {429, "20028", "The write action you are performing on the channel has hit the write rate limit", retryable, classify.ReasonRateLimited},
		"writes to a server wait":                       {429, "20029", "The write action you are performing on the server has hit the write rate limit", retryable, classify.ReasonRateLimited},
		"edits of old messages wait":                    {429, "30046", "Maximum number of edits to messages older than 1 hour reached. Try again later", retryable, classify.ReasonRateLimited},
		"direct messages opened too fast wait":          {400, "40003", "You are opening direct messages too fast", retryable, classify.ReasonRateLimited},
		"a shared resource waits":                       {429, "40062", "Service resource is being rate limited", retryable, classify.ReasonRateLimited},
		"sending that is switched off comes back":       {403, "40004", "Send messages has been temporarily disabled", retryable, classify.ReasonUnavailable},
		"what is switched off comes back":               {403, "40006", "This feature has been temporarily disabled server-side", retryable, classify.ReasonUnavailable},
		"overload passes":                               {503, "130000", "API resource is currently overloaded. Try again a little later", retryable, classify.ReasonUnavailable},
		"502 passes":                                    {502, "", "", retryable, classify.ReasonUnavailable},
		"503 passes":                                    {503, "", "", retryable, classify.ReasonUnavailable},
		"500 is no doubt: there is a nonce":             {500, "", "500: Internal Server Error", retryable, classify.ReasonProviderError},
		"401 breaks the bridge":                         {401, "", "401: Unauthorized", fatal, classify.ReasonUnauthorized},
		"an invalid token breaks the bridge":            {403, "40001", "Unauthorized. Provide a valid token and try again", fatal, classify.ReasonUnauthorized},
		"an invalid authentication breaks the bridge":   {401, "50014", "Invalid authentication token provided", fatal, classify.ReasonUnauthorized},
		"an unverified account breaks the bridge":       {403, "40002", "You need to verify your account in order to perform this action", fatal, classify.ReasonForbidden},
		"a blocked client breaks the bridge":            {403, "40333", "internal network error", fatal, classify.ReasonForbidden},
		"a page with 403 is a ban":                      {403, "", "<!DOCTYPE html>\n<title>Access denied</title>", fatal, classify.ReasonForbidden},
		"a page with 403 and no doctype is a ban":       {403, "", "<html><body>blocked", fatal, classify.ReasonForbidden},
		"a page with 429 is a ban":                      {429, "", "<!doctype html>", fatal, classify.ReasonForbidden},
		"a page with 429 and no doctype is a ban":       {429, "", "<HTML>", fatal, classify.ReasonForbidden},
		"a line with 429 is a ban":                      {429, "", "error code: 1015", fatal, classify.ReasonForbidden},
		"a line with 403 is a ban":                      {403, "", "error code: 1020", fatal, classify.ReasonForbidden},
		"a page with 502 is no ban":                     {502, "", "<html>", retryable, classify.ReasonUnavailable},
		"an unknown channel is the room's":              {404, "10003", "Unknown Channel", terminal, classify.ReasonRoomUnavailable},
		"an unknown server is the room's":               {404, "10004", "Unknown Guild", terminal, classify.ReasonRoomUnavailable},
		"an unknown webhook is the room's":              {404, "10015", "Unknown Webhook", terminal, classify.ReasonRoomUnavailable},
		"a forum is the room's":                         {400, "40058", "Cannot send a message in a forum channel", terminal, classify.ReasonRoomUnavailable},
		"missing access is the room's":                  {403, "50001", "Missing Access", terminal, classify.ReasonRoomUnavailable},
		"a user who takes no messages is the room's":    {403, "50007", "Cannot send messages to this user", terminal, classify.ReasonRoomUnavailable},
		"a channel without text is the room's":          {400, "50008", "Cannot send messages in a non-text channel", terminal, classify.ReasonRoomUnavailable},
		"missing permissions are the room's":            {403, "50013", "Missing Permissions", terminal, classify.ReasonRoomUnavailable},
		"an invalid webhook token is the room's":        {401, "50027", "Invalid Webhook Token", terminal, classify.ReasonRoomUnavailable},
		"an archived thread is the room's":              {400, "50083", "Thread is archived", terminal, classify.ReasonRoomUnavailable},
		"a user in no common server is the room's":      {403, "50278", "Cannot send messages to this user due to having no mutual guilds", terminal, classify.ReasonRoomUnavailable},
		"a locked thread is the room's":                 {403, "160005", "Thread is locked", terminal, classify.ReasonRoomUnavailable},
		"what is no id of a channel is the room's":      {400, "50035", `Invalid Form Body: channel_id: NUMBER_TYPE_COERCE: Value "x" is not snowflake.`, terminal, classify.ReasonRoomUnavailable},
		"an unknown message is the message's":           {404, "10008", "Unknown Message", terminal, classify.ReasonNotFound},
		"explicit content is the message's":             {400, "20009", "Explicit content cannot be sent to the desired recipient(s)", terminal, classify.ReasonRejected},
		"the message of another is the message's":       {403, "50005", "Cannot edit a message authored by another user", terminal, classify.ReasonForbidden},
		"an empty message is the message's":             {400, "50006", "Cannot send an empty message", terminal, classify.ReasonRejected},
		"a system message is the message's":             {403, "50021", "Cannot execute action on a system message", terminal, classify.ReasonRejected},
		"a text that is too long is the message's":      {400, "50035", "Invalid Form Body: content: BASE_TYPE_MAX_LENGTH: Must be 2000 or fewer in length.", terminal, classify.ReasonMessageTooLong},
		"a field that is too long is no text that is":   {400, "50035", "Invalid Form Body: nonce: BASE_TYPE_MAX_LENGTH: Must be 25 or fewer in length.", terminal, classify.ReasonRejected},
		"an invalid form is the message's":              {400, "50035", "Invalid Form Body", terminal, classify.ReasonRejected},
		"what is no JSON is the message's":              {400, "50109", "The request body contains invalid JSON.", terminal, classify.ReasonRejected},
		"what AutoMod blocks is the message's":          {400, "200000", "Message was blocked by automatic moderation", terminal, classify.ReasonRejected},
		"harmful links are the message's":               {400, "240000", "Message blocked by harmful links filter", terminal, classify.ReasonRejected},
		"a request that is too large is the media's":    {413, "40005", "Request entity too large", terminal, classify.ReasonMediaRejected},
		"413 without a code is the media's":             {413, "", "<html>", terminal, classify.ReasonMediaRejected},
		"a file that is too large is the media's":       {400, "50045", "File uploaded exceeds the maximum size", terminal, classify.ReasonMediaRejected},
		"a file that is none is the media's":            {400, "50046", "Invalid file uploaded", terminal, classify.ReasonMediaRejected},
		"an unknown 400 is the message's":               {400, "99999", "?", terminal, classify.ReasonRejected},
		"an unknown 403 is the message's":               {403, "99999", "?", terminal, classify.ReasonForbidden},
		"an unknown 404 is the message's":               {404, "", "404: Not Found", terminal, classify.ReasonNotFound},
		"an unknown 5xx passes, and is no doubt either": {507, "", "", retryable, classify.ReasonProviderError},
		"a wrong method is no matter of waiting":        {405, "", "405: Method Not Allowed", terminal, classify.ReasonRejected},
		"a code decides before the status":              {500, "10003", "Unknown Channel", terminal, classify.ReasonRoomUnavailable},
		"401 with the code of a room is the room's":     {401, "10003", "Unknown Channel", terminal, classify.ReasonRoomUnavailable},
		"a code decides before what looks like a page":  {403, "50013", "<html>", terminal, classify.ReasonRoomUnavailable},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := classify.Classify(&classify.Error{
				Channel: "discord", Table: discord.Table, Op: "create message", Sent: classify.SentRefused,
				Reply: classify.Reply{Status: tc.status, Code: tc.code, Message: tc.message},
			})
			want := classify.Verdict{
				Category: tc.category, Reason: tc.reason,
				Scope:    got.Scope, // what the channel says
				Provider: classify.Provider{Status: tc.status, Code: tc.code, Message: got.Provider.Message},
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestDiscordLimitClosesWhatTheChannelSays(t *testing.T) {
	for _, scope := range []classify.Scope{classify.ScopeBridge, classify.ScopeRoomRoute} {
		got := classify.Classify(&classify.Error{
			Channel: "discord", Table: discord.Table, Sent: classify.SentRefused,
			Reply: classify.Reply{Status: 429, Code: "30046", RetryAfter: 529 * time.Millisecond, Scope: scope},
		})
		if got.After != 529*time.Millisecond || got.Scope != scope || !got.Retryable() {
			t.Errorf("%s: got %+v", scope, got)
		}
	}
}

func TestDiscordIsInDoubtWithoutAnAnswer(t *testing.T) {
	got := classify.Classify(&classify.Error{Channel: "discord", Table: discord.Table, Reason: classify.ReasonConnectionLost})
	if !got.Ambiguous || !got.Retryable() {
		t.Errorf("got %+v", got)
	}
}
