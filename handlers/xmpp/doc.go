// Package xmpp is the channel that delivers to people and rooms on XMPP servers
// (RFC 6120, RFC 6121).
//
// # Rooms
//
// A room's id is a JID. One on a conference service is a room of many (XEP-0045),
// which is entered before the first message to it, and not left while the stream
// stands; any other is a person. Which domains are conference services is asked of
// them (XEP-0030), unless Config.MUC names them. An occupant's JID,
// room@conference/nick, gets a private message. A room that does not exist is not
// created.
//
// # Operations
//
//   - send is a <message/> whose id and origin-id (XEP-0359) are the message's token.
//     The id is what the delivery returns.
//   - edit is a <message/> with <replace/> (XEP-0308). It takes the id of the first
//     version, however often it was edited since. A server does not check that such a
//     message exists.
//   - send_media asks the server for a place to upload to (XEP-0363), puts the file
//     there and sends its address, with jabber:x:oob (XEP-0066). Clients show a
//     picture only where the address is all of the text, so a caption follows as a
//     message of its own, in the same write; its id is that of the media and
//     "-caption". If any of the two is refused, the delivery is.
//   - edit_media does the same with <replace/>. A caption that the new media lacks
//     stays as it was.
//   - There is no delete: retraction (XEP-0424) is a request that clients may ignore.
//
// # Options
//
// reply_to is a <reply/> (XEP-0461); in a room of many it is the id that the room
// gave, which a delivery has as "stanza_id". thread_id is a <thread/>. silent is
// ignored. The only format is plain: Markdown is sent as it is, which is near to what
// clients style (XEP-0393), and HTML as the text in it.
//
// # What counts as delivered
//
// Every message is followed, in the same write, by a ping (XEP-0199) that takes the
// same way: to the own server after a message to a person, to the own occupant after
// one to a room (XEP-0410). A server handles the stanzas of a stream in order (RFC
// 6120, 10.1), so its answer means that the message was taken, unless an error for
// the message came first. In a room its reflection comes first, which proves that
// the room has it. An error that a remote server sends later is not seen.
//
// # Idempotency
//
// It is blind: no server drops an id that it has seen. But where an attempt ended
// before its answer came, and its stream still stands, the next attempt waits for
// that answer and sends nothing. Only the end of a stream leaves it open whether the
// last messages on it were taken.
//
// # Connection
//
// A channel has one stream, opened by its first message, kept alive by pings, and
// opened again by the next message after it broke. After a failure to connect it
// waits, from 0.2 to 5 seconds, and meanwhile refuses with RetryAfter. It sends no
// presence but to rooms, so the server brings it no messages of people.
//
// # Limits
//
// There is no pace: servers slow down the reading of a stream that sends too many
// bytes (Prosody's mod_limits, ejabberd's shapers), and refuse nothing. A text may
// have 8,000 bytes of XML: no server may refuse a stanza of 10,000 bytes (RFC 6120,
// 13.12), and the rest is for addresses and options.
package xmpp
