// Package slack is the channel that posts to Slack through its Web API
// (https://docs.slack.dev/apis/web-api).
//
// # Operations
//
// A text is a chat.postMessage and its edit a chat.update; the message's id is its
// ts. An update empties blocks and attachments, which Slack keeps otherwise.
//
// Media is uploaded in three steps: files.getUploadURLExternal, a POST of the bytes
// to the address it gives, and files.completeUploadExternal, which alone puts the
// file into the room, with its caption. Slack shares a file some time after it
// answers and so mostly gives no ts: the message's id is then the file's, which
// begins with F and cannot be edited or deleted. Media takes the place of what a
// message showed by a chat.update with file_ids. A failure before the last step has
// put nothing into the room, and is told so.
//
// A room is best given by the channel's id: chat.postMessage takes names, too, but
// no other method does.
//
// # Options
//
// Markdown and HTML become mrkdwn; a plain text is escaped and sent with mrkdwn
// off, which Slack documents for chat.postMessage alone: after an edit, and in a
// caption, the asterisks of a plain text may count as bold. A thread_id is the
// thread_ts, and a reply_to is one where there is no thread_id: Slack has no replies
// beside threads. Slack has no silent messages; silent is ignored.
//
// # Idempotency
//
// Slack drops no message that it has. With Config.Reconcile a text carries its
// token as metadata, and Find looks for it in the history of the room or of the
// thread. Without it, and for media, a lost reply leaves open whether the message is
// there. Edits may be repeated.
//
// # Limits
//
// Slack splits a post of more than about 4,000 bytes by itself, and takes no update
// of that size: Capabilities has texts cut to 4,000 bytes, counted as they are sent.
// Slack counts requests by method and workspace
// (https://docs.slack.dev/apis/web-api/rate-limits).
package slack
