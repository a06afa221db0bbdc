// Package layout is the list of all that outgate keeps in Redis. docs/redis.md is made
// of it, and tests hold a Redis that was worked on against it.
package layout

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Type is what Redis says a key is of, or Channel.
type Type string

// The types.
const (
	String Type = "string"
	Hash   Type = "hash"
	List   Type = "list"
	Set    Type = "set"
	ZSet   Type = "zset"
	Stream Type = "stream"
	// Channel is no key: it is published on.
	Channel Type = "channel"
)

// Key is one kind of key.
type Key struct {
	// Pattern is its name with words in capitals in the place of what varies, and square
	// brackets around what may be absent.
	Pattern string
	Type    Type
	// Holds says what it is for.
	Holds string
	// Fields are those of a hash or of a stream's entries. Their names are patterns too.
	Fields []Field
	// Writers and Readers are who writes and who reads it.
	Writers, Readers string
	// Life says how long it is there. Expires is true if Redis ends it by itself.
	Life    string
	Expires bool
}

// Field is one kind of field.
type Field struct{ Name, Holds string }

// Group is the keys of one kind of owner.
type Group struct {
	Title, Text string
	Keys        []Key
}

// Find answers what kind of key it is; false for one that outgate does not write.
func Find(key string) (Key, bool) {
	for _, k := range all {
		if k.Type != Channel && k.matches(key) {
			return k, true
		}
	}
	return Key{}, false
}

// all are the keys of all groups.
var all = func() []Key {
	var keys []Key
	for _, g := range Groups {
		keys = append(keys, g.Keys...)
	}
	return keys
}()

func (k Key) matches(name string) bool { return pattern(k.Pattern).MatchString(name) }

// FieldOf is the name of the listed field that a field is one of, empty for none.
func (k Key) FieldOf(name string) string {
	for _, f := range k.Fields {
		if pattern(f.Name).MatchString(name) {
			return f.Name
		}
	}
	return ""
}

var (
	varying = regexp.MustCompile(`[A-Z]{2,}`)
	// open are the words that stand for anything; all others are without a colon, a brace
	// or an at sign.
	open     = []string{"LINE", "ROOM", "NAME", "TOKEN", "MESSAGE", "SERVER"}
	patterns = make(map[string]*regexp.Regexp)
)

func init() {
	for _, k := range all {
		patterns[k.Pattern] = compile(k.Pattern)
		for _, f := range k.Fields {
			patterns[f.Name] = compile(f.Name)
		}
	}
}

func pattern(p string) *regexp.Regexp { return patterns[p] }

func compile(p string) *regexp.Regexp {
	p = strings.NewReplacer(`\[`, "(?:", `\]`, ")?").Replace(regexp.QuoteMeta(p))
	p = varying.ReplaceAllStringFunc(p, func(word string) string {
		if slices.Contains(open, word) {
			return "(?s:.+)"
		}
		return "[^:{}@]+"
	})
	return regexp.MustCompile("^" + p + "$")
}

// Check looks at every key of a Redis that outgate has for itself. It answers what is
// not as the list says: keys that are not on it, of another type, with other fields, or
// that live on or end against it.
func Check(ctx context.Context, rdb *redis.Client) ([]string, error) {
	var faults []string
	keys := rdb.Scan(ctx, 0, "", 1000).Iterator()
	for keys.Next(ctx) {
		more, err := check(ctx, rdb, keys.Val())
		if err != nil {
			return nil, fmt.Errorf("look at %s: %w", keys.Val(), err)
		}
		faults = append(faults, more...)
	}
	if err := keys.Err(); err != nil {
		return nil, fmt.Errorf("scan the keys: %w", err)
	}
	slices.Sort(faults)
	return slices.Compact(faults), nil
}

func check(ctx context.Context, rdb *redis.Client, name string) ([]string, error) {
	k, ok := Find(name)
	if !ok {
		return []string{name + " is not on the list"}, nil
	}
	pipe := rdb.Pipeline()
	is, ttl := pipe.Type(ctx, name), pipe.PTTL(ctx, name)
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, err
	}
	var faults []string
	switch expires := ttl.Val() > 0; {
	case is.Val() == "none": // it ended meanwhile
		return nil, nil
	case is.Val() != string(k.Type):
		return []string{fmt.Sprintf("%s is a %s, the list says %s", name, is.Val(), k.Type)}, nil
	case expires && !k.Expires:
		faults = append(faults, name+" ends by itself, the list says that it stays")
	case !expires && k.Expires:
		faults = append(faults, name+" stays, the list says that it ends by itself")
	}
	fields, err := fieldsOf(ctx, rdb, name, k.Type)
	if err != nil {
		return nil, err
	}
	for _, f := range fields {
		if k.FieldOf(f) == "" {
			faults = append(faults, fmt.Sprintf("%s has the field %s, which is not on the list", name, f))
		}
	}
	return faults, nil
}

// fieldsOf are the names of the fields that are there.
func fieldsOf(ctx context.Context, rdb *redis.Client, name string, t Type) ([]string, error) {
	switch t {
	case Hash:
		return rdb.HKeys(ctx, name).Result()
	case Stream:
		entries, err := rdb.XRange(ctx, name, "-", "+").Result()
		var names []string
		for _, e := range entries {
			for field := range e.Values {
				names = append(names, field)
			}
		}
		return names, err
	default:
		return nil, nil
	}
}
