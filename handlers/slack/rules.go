package slack

import (
	"net/http"
	"slices"

	"github.com/outgate/outgate/classify"
)

// rules follow the error lists of Slack's methods, those of chat.postMessage
// (https://docs.slack.dev/reference/methods/chat.postMessage) and its neighbours.
// Slack refuses with status 200 and a code. It drops no second request: after
// fatal_error and internal_error "some aspect of the operation" may have succeeded.
var rules = slices.Concat(
	codes(classify.Retryable, classify.ReasonRateLimited, "ratelimited", "rate_limited"),
	codes(classify.Retryable, classify.ReasonProviderError, "fatal_error", "internal_error", "file_update_failed"),
	// Not executed, and later it may be.
	codes(
		classify.Retryable, classify.ReasonUnavailable,
		"service_unavailable", "request_timeout", "team_added_to_org", "org_login_required",
		"external_channel_migrating", "update_failed", "streaming_state_conflict",
	),

	// The bridge's: its token, its scopes, its workspace.
	codes(classify.Fatal, classify.ReasonUnauthorized, "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired"),
	codes(
		classify.Fatal, classify.ReasonForbidden,
		"missing_scope", "not_allowed_token_type", "two_factor_setup_required", "app_access_restricted",
		"accesslimited", "enterprise_is_restricted", "team_access_not_granted",
		"message_limit_exceeded", "storage_limit_reached",
	),
	codes(classify.Fatal, classify.ReasonGone, "method_deprecated", "deprecated_endpoint"),

	// The room's: whatever is sent there fails.
	codes(
		classify.Terminal, classify.ReasonRoomUnavailable,
		"channel_not_found", "invalid_channel", "not_in_channel", "is_archived", "is_inactive",
		"messages_tab_disabled", "restricted_action", "restricted_action_read_only_channel",
		"restricted_action_thread_only_channel", "restricted_action_non_threadable_channel",
		"restricted_action_thread_locked", "ekm_access_denied", "posting_to_channel_denied",
		"no_permission", "team_not_found",
	),

	// The message's.
	codes(classify.Terminal, classify.ReasonMessageTooLong, "msg_too_long", "msg_blocks_too_long", "metadata_too_large"),
	codes(classify.Terminal, classify.ReasonNotFound, "message_not_found", "thread_not_found", "file_not_found", "file_deleted"),
	codes(
		classify.Terminal, classify.ReasonForbidden,
		"cant_update_message", "edit_window_closed", "cant_delete_message",
		"compliance_exports_prevent_deletion", "access_denied",
	),
	codes(
		classify.Terminal, classify.ReasonMediaRejected,
		"file_type_not_allowed", "file_upload_size_restricted", "file_uploads_disabled",
		"file_uploads_except_images_disabled", "snippet_too_large", "slack_connect_file_link_sharing_blocked",
	),
	codes(
		classify.Terminal, classify.ReasonRejected,
		"no_text", "invalid_blocks", "invalid_blocks_format", "invalid_attachments", "too_many_attachments",
		"markdown_text_conflict", "cannot_reply_to_message", "block_mismatch",
	),

	// Most of what is not listed is said of the arguments.
	classify.Rules{{Status: http.StatusOK, Category: classify.Terminal, Reason: classify.ReasonRejected}},
)

// codes are the rules of codes that mean the same.
func codes(c classify.Category, r classify.Reason, codes ...string) classify.Rules {
	rules := make(classify.Rules, len(codes))
	for i, code := range codes {
		rules[i] = classify.Rule{Code: code, Category: c, Reason: r}
	}
	return rules
}
