// Package telegram is the channel that sends as a Telegram bot, over the HTTP Bot
// API (https://core.telegram.org/bots/api).
//
// # Operations
//
// A room is a chat_id: a number, or the "@name" of a channel. A message id is
// Telegram's message_id.
//
//	send        sendMessage
//	edit        editMessageText; editMessageCaption where the message is media
//	send_media  sendPhoto, sendVideo, sendAudio, sendDocument, by the kind
//	edit_media  editMessageMedia
//	Delete      deleteMessage
//
// Media given by a URL is fetched by Telegram: photos to 5 MB, others to 20 MB,
// and of documents only some types. Media given as data is uploaded: photos to
// 10 MB, others to 50 MB (https://core.telegram.org/bots/api#sending-files). A
// thumbnail and a media type are not passed on, nor is the file name of a URL.
//
// # Options
//
// format markdown becomes the HTML that parse_mode HTML takes, html goes as it is
// (https://core.telegram.org/bots/api#html-style), in texts and captions alike.
// reply_to, thread_id and silent become reply_parameters, message_thread_id and
// disable_notification; a reply to a message that is gone is sent as no reply.
// Edits have none of these three, so there they are ignored.
//
// # What is sent once more
//
// A few refusals tell how the request would be accepted. It is then sent again at
// once, at most once for each:
//
//   - a markup that cannot be parsed goes as plain text, with its markup to be
//     seen; the result then says "format": "plain";
//   - a group that became a supergroup has a new id. The message goes there, the
//     result says "migrated_to_chat_id", and the channel remembers the new id as
//     long as it lives. The bridge's callers should use the new id from then on:
//     message ids of the old group mean nothing, or another message, in the new
//     one;
//   - a caption that was edited as a text is edited as a caption.
//
// # Idempotency
//
// There is none: the Bot API takes no token and lets no bot read what it sent. A
// message whose reply was lost may be there twice if it is sent again. Edits and
// deletions may be repeated: "message is not modified" is a success, and so is the
// deletion of a message that is gone.
//
// # Limits
//
// About 30 messages a second for a bot, one a second in a chat and 20 a minute in
// a group; sends and edits share them
// (https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this).
// A 429 closes the room it was met in.
package telegram
