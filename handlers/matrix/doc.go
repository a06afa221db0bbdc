// Package matrix is the channel that writes to the rooms of a Matrix homeserver
// with an access token, over the Client-Server API
// (https://spec.matrix.org/latest/client-server-api/). Rooms must be unencrypted.
//
// # Operations
//
// A message is an m.room.message event: send and send_media put it with
// PUT …/rooms/{room}/send/m.room.message/{txn}, and its event id is the message
// id. An edit is another event that replaces the first one (m.replace); the id of
// the message stays that of the first, so that it can be edited again. A homeserver
// takes an edit of an unknown message, or of somebody else's, and nobody sees it:
// there is no error to report. Delete redacts the event. Media are uploaded
// (POST /_matrix/media/v3/upload) before the event names them: until then nothing
// is in the room.
//
// The room is a room id (!x:y) or an alias (#x:y); an alias is looked up and
// remembered for some minutes.
//
// # Options
//
// Markdown goes out as HTML in formatted_body with its source as body; HTML as it
// is, with its plain text as body. Where both together are too long for an event,
// the body alone is sent. reply_to is m.in_reply_to, thread_id is m.thread; both
// belong to a message for good, so an edit ignores them. silent makes a text an
// m.notice; media has no such kind. m.mentions is always empty: no text pings
// anybody.
//
// # Idempotency
//
// The transaction id is the token of the message: a homeserver answers a second
// request with the same one with the event of the first. Synapse remembers it for
// at least 30 minutes, Dendrite too, but not over a restart, nor for two requests
// at the same time (https://spec.matrix.org/latest/client-server-api/#transaction-identifiers).
// The token also stands in the event's content, as com.github.outgate.token, where
// Find looks for it among our own messages of the room.
//
// # Limits
//
// Homeservers limit users, not rooms, and each as it is configured. Pace is
// Synapse's default, 0.2 messages a second with 10 at once
// (https://element-hq.github.io/synapse/latest/usage/configuration/config_documentation.html#rc_message);
// a homeserver that allows a bridge more is told so by the bridge's limits. An
// event has at most 65,536 bytes (https://spec.matrix.org/latest/client-server-api/#size-limits).
package matrix
