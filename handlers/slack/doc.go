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
// file into the room, with its caption. A failure before the last step has put nothing
// into the room, and is told so. Media takes the place of what a message showed by a
// chat.update with file_ids.
//
// Slack shares a file some time after it answers, and only then is there a ts: files.info
// is asked for it a few times. Where it does not tell, the message's id is the file's,
// which begins with F. An edit by such an id asks again before it changes anything.
//
// A room is best given by the channel's id: chat.postMessage takes names, too, but
// no other method does.
//
// # Options
//
// Markdown and HTML become mrkdwn; a plain text is escaped and sent with mrkdwn
// off, which Slack documents for chat.postMessage alone: after an edit, and in a
// caption, the asterisks of a plain text may count as bold. Blocks would not do: one
// of rich text can never be replaced with a text again, and one of plain text holds
// 3,000 characters and no links.
//
// A thread_id is the thread_ts, and a reply_to is one where there is no thread_id:
// Slack has no replies beside threads. Slack has no silent messages; silent is
// ignored.
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
// (https://docs.slack.dev/apis/web-api/rate-limits). It would take all edits of a minute
// at once; Pace spreads them.
package slack
