package slack_test

import (
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/slack"
)

// slackSays is Slack's way to refuse: status 200 and a code.
func slackSays(code string) *classify.Error {
	return slackAnswers(http.StatusOK, code)
}

func slackAnswers(status int, code string) *classify.Error {
	return &classify.Error{
		Channel: "slack", Table: slack.Table, Op: "chat.postMessage", Sent: classify.SentRefused,
		Reply: classify.Reply{Status: status, Code: code},
	}
}

func TestSlack(t *testing.T) {
	const (
		retryable = classify.Retryable
		terminal  = classify.Terminal
		fatal     = classify.Fatal

		limited     = classify.ReasonRateLimited
		unavailable = classify.ReasonUnavailable
		failed      = classify.ReasonProviderError
		room        = classify.ReasonRoomUnavailable
		rejected    = classify.ReasonRejected
		missing     = classify.ReasonNotFound
		forbidden   = classify.ReasonForbidden
		noAuth      = classify.ReasonUnauthorized
		media       = classify.ReasonMediaRejected
		long        = classify.ReasonMessageTooLong
	)
	tests := map[string]struct {
		err      error
		category classify.Category
		reason   classify.Reason
		doubt    bool
	}{
		"a status of 429 slows down":                     {slackAnswers(429, "ratelimited"), retryable, limited, false},
		"a 429 without a code slows down":                {slackAnswers(429, ""), retryable, limited, false},
		"ratelimited in a 200 slows down":                {slackSays("ratelimited"), retryable, limited, false},
		"too many messages slow down":                    {slackSays("rate_limited"), retryable, limited, false},
		"a service that is away is tried again":          {slackSays("service_unavailable"), retryable, unavailable, false},
		"a body that was cut off was not executed":       {slackSays("request_timeout"), retryable, unavailable, false},
		"a workspace that joins an org comes back":       {slackSays("team_added_to_org"), retryable, unavailable, false},
		"a workspace that migrates comes back":           {slackSays("org_login_required"), retryable, unavailable, false},
		"a channel that migrates comes back":             {slackSays("external_channel_migrating"), retryable, unavailable, false},
		"an update that failed is tried again":           {slackSays("update_failed"), retryable, unavailable, false},
		"a message that streams can be edited later":     {slackSays("streaming_state_conflict"), retryable, unavailable, false},
		"a fatal error may have posted the message":      {slackSays("fatal_error"), retryable, failed, true},
		"an internal error may have posted the message":  {slackSays("internal_error"), retryable, failed, true},
		"a file's failed update may have posted it":      {slackSays("file_update_failed"), retryable, failed, true},
		"a 500 may have posted the message":              {slackAnswers(500, ""), retryable, failed, true},
		"a 503 may have posted the message":              {slackAnswers(503, ""), retryable, unavailable, true},
		"a lost reply leaves it open":                    {&classify.Error{Channel: "slack", Table: slack.Table, Err: io.EOF}, retryable, classify.ReasonConnectionLost, true},
		"a text too long":                                {slackSays("msg_too_long"), terminal, long, false},
		"blocks too long":                                {slackSays("msg_blocks_too_long"), terminal, long, false},
		"metadata too large":                             {slackSays("metadata_too_large"), terminal, long, false},
		"no text":                                        {slackSays("no_text"), terminal, rejected, false},
		"blocks that are none":                           {slackSays("invalid_blocks"), terminal, rejected, false},
		"blocks of a wrong form":                         {slackSays("invalid_blocks_format"), terminal, rejected, false},
		"attachments that are none":                      {slackSays("invalid_attachments"), terminal, rejected, false},
		"too many attachments":                           {slackSays("too_many_attachments"), terminal, rejected, false},
		"markdown and text at once":                      {slackSays("markdown_text_conflict"), terminal, rejected, false},
		"a message that takes no replies":                {slackSays("cannot_reply_to_message"), terminal, rejected, false},
		"a rich text replaced by another":                {slackSays("block_mismatch"), terminal, rejected, false},
		"a message that is not there":                    {slackSays("message_not_found"), terminal, missing, false},
		"a thread that is not there":                     {slackSays("thread_not_found"), terminal, missing, false},
		"a file that is not there":                       {slackSays("file_not_found"), terminal, missing, false},
		"a file that was deleted":                        {slackSays("file_deleted"), terminal, missing, false},
		"a message of somebody else":                     {slackSays("cant_update_message"), terminal, forbidden, false},
		"a message too old to be edited":                 {slackSays("edit_window_closed"), terminal, forbidden, false},
		"a message that must not be deleted":             {slackSays("cant_delete_message"), terminal, forbidden, false},
		"a workspace that keeps all messages":            {slackSays("compliance_exports_prevent_deletion"), terminal, forbidden, false},
		"a file of somebody else":                        {slackSays("access_denied"), terminal, forbidden, false},
		"a type of file that is not allowed":             {slackSays("file_type_not_allowed"), terminal, media, false},
		"a file that is too large":                       {slackSays("file_upload_size_restricted"), terminal, media, false},
		"a workspace without files":                      {slackSays("file_uploads_disabled"), terminal, media, false},
		"a workspace with images alone":                  {slackSays("file_uploads_except_images_disabled"), terminal, media, false},
		"a snippet that is too large":                    {slackSays("snippet_too_large"), terminal, media, false},
		"a shared channel without files":                 {slackSays("slack_connect_file_link_sharing_blocked"), terminal, media, false},
		"a channel that is not there":                    {slackSays("channel_not_found"), terminal, room, false},
		"a channel that is not there, says an upload":    {slackSays("invalid_channel"), terminal, room, false},
		"a channel the bot is not in":                    {slackSays("not_in_channel"), terminal, room, false},
		"a channel in the archive":                       {slackSays("is_archived"), terminal, room, false},
		"a channel that is frozen":                       {slackSays("is_inactive"), terminal, room, false},
		"a bot that takes no messages":                   {slackSays("messages_tab_disabled"), terminal, room, false},
		"a workspace where the bot may not post":         {slackSays("restricted_action"), terminal, room, false},
		"a channel to be read only":                      {slackSays("restricted_action_read_only_channel"), terminal, room, false},
		"a channel of threads only":                      {slackSays("restricted_action_thread_only_channel"), terminal, room, false},
		"a channel without threads":                      {slackSays("restricted_action_non_threadable_channel"), terminal, room, false},
		"a thread that is locked":                        {slackSays("restricted_action_thread_locked"), terminal, room, false},
		"a key that administrators hold back":            {slackSays("ekm_access_denied"), terminal, room, false},
		"a channel where files may not be posted":        {slackSays("posting_to_channel_denied"), terminal, room, false},
		"a conversation the app has no permission for":   {slackSays("no_permission"), terminal, room, false},
		"a channel of no team":                           {slackSays("team_not_found"), terminal, room, false},
		"a token that is none":                           {slackSays("invalid_auth"), fatal, noAuth, false},
		"no token":                                       {slackSays("not_authed"), fatal, noAuth, false},
		"a token of a deleted account":                   {slackSays("account_inactive"), fatal, noAuth, false},
		"a token that was revoked":                       {slackSays("token_revoked"), fatal, noAuth, false},
		"a token that expired":                           {slackSays("token_expired"), fatal, noAuth, false},
		"a scope that is missing":                        {slackSays("missing_scope"), fatal, forbidden, false},
		"a kind of token that is not allowed":            {slackSays("not_allowed_token_type"), fatal, forbidden, false},
		"a second factor that is not set up":             {slackSays("two_factor_setup_required"), fatal, forbidden, false},
		"an app that was restricted":                     {slackSays("app_access_restricted"), fatal, forbidden, false},
		"a network that is not let in":                   {slackSays("accesslimited"), fatal, forbidden, false},
		"an enterprise that may not call":                {slackSays("enterprise_is_restricted"), fatal, forbidden, false},
		"a workspace the token is not for":               {slackSays("team_access_not_granted"), fatal, forbidden, false},
		"a workspace that has sent too much":             {slackSays("message_limit_exceeded"), fatal, forbidden, false},
		"a workspace whose storage is full":              {slackSays("storage_limit_reached"), fatal, forbidden, false},
		"a method that is no more":                       {slackSays("method_deprecated"), fatal, classify.ReasonGone, false},
		"an endpoint that is no more":                    {slackSays("deprecated_endpoint"), fatal, classify.ReasonGone, false},
		"a code that is not listed is of the arguments":  {slackSays("invalid_arguments"), terminal, rejected, false},
		"a refusal without a code is final":              {slackSays(""), terminal, rejected, false},
		"a redirect is final":                            {slackAnswers(302, ""), terminal, classify.ReasonRedirected, false},
		"a reason of the channel comes before any table": {slackBecause(slackSays(""), classify.ReasonInvalidReply), retryable, classify.ReasonInvalidReply, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			want := classify.Verdict{Category: tc.category, Reason: tc.reason, Ambiguous: tc.doubt}
			got := classify.Classify(tc.err)
			got.Provider = classify.Provider{}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestSlackDelayClosesItsMethodAlone(t *testing.T) {
	err := slackAnswers(429, "ratelimited")
	err.RetryAfter, err.Scope = 30*time.Second, classify.ScopeRoute
	want := classify.Verdict{
		Category: classify.Retryable, Reason: classify.ReasonRateLimited,
		After: 30 * time.Second, Scope: classify.ScopeRoute,
		Provider: classify.Provider{Status: 429, Code: "ratelimited"},
	}
	if diff := cmp.Diff(want, classify.Classify(errors.Join(err))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func slackBecause(e *classify.Error, r classify.Reason) *classify.Error {
	e.Reason = r
	return e
}
