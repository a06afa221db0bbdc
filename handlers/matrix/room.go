package matrix

import (
	"context"
	"net/http"
	"strings"
)

// room is the id of a room; an alias is looked up.
func (c *Channel) room(ctx context.Context, room string) (string, error) {
	if !strings.HasPrefix(room, "#") {
		return room, nil
	}
	if id, ok := c.rooms.get(room); ok {
		return id, nil
	}
	id, err := c.ask(ctx, "resolve", "room_id", "client", "v3", "directory", "room", room)
	if err != nil {
		return "", err
	}
	c.rooms.put(room, id)
	return id, nil
}

// learn forgets the id of an alias whose room has nothing for us: the alias may
// have moved on.
func (c *Channel) learn(room string, err error) {
	if refusedWith(err, codeForbidden, codeNotFound) {
		c.rooms.forget(room)
	}
}

// user is the id of the user that the token is for.
func (c *Channel) user(ctx context.Context) (string, error) {
	const key = "user_id"
	if id, ok := c.facts.get(key); ok {
		return id, nil
	}
	id, err := c.ask(ctx, "whoami", key, "client", "v3", "account", "whoami")
	if err == nil {
		c.facts.put(key, id)
	}
	return id, err
}

// ask gets an id from the homeserver, before anything is sent.
func (c *Channel) ask(ctx context.Context, op, field string, path ...string) (string, error) {
	reply, err := c.call(ctx, request{op: op, method: http.MethodGet, path: path})
	if err != nil {
		return "", unsent(err)
	}
	id, err := readField(reply, field)
	if err != nil {
		return "", odd(op, err)
	}
	return id, nil
}
