package partition

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/outgate/outgate/partition/lua"
)

// mostError is how many bytes of an error AskErrors reads.
const mostError = 300

var errorsText = lua.MustLoad(scripts, "errors.lua")

// AskErrors asks in a pipeline what the last attempts of envelopes failed with, as
// asynq was told, at most 300 bytes of it. The answer is there once the pipeline was
// run: by id, empty for none.
func AskErrors(ctx context.Context, pipe redis.Pipeliner, s Scheme, ids []string) func() map[string]string {
	args := make(map[int][]any)
	for _, id := range ids {
		index, err := IndexOf(id)
		if err != nil || index >= s.Count {
			continue
		}
		if args[index] == nil {
			args[index] = []any{mostError}
		}
		args[index] = append(args[index], id)
	}
	replies := make(map[int]*redis.Cmd, len(args))
	for index, of := range args {
		replies[index] = pipe.Eval(ctx, errorsText, []string{Keys{Queue: s.Queue(index)}.Tag()}, of...)
	}
	return func() map[string]string {
		texts := make(map[string]string, len(ids))
		for index, reply := range replies {
			found, _ := reply.StringSlice()
			for i, text := range found {
				if i+1 < len(args[index]) {
					texts[args[index][i+1].(string)] = text
				}
			}
		}
		return texts
	}
}
