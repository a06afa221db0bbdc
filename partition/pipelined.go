package partition

import "github.com/redis/go-redis/v9"

// Pipelined sends the commands of concurrent callers down one connection, writing
// while it reads, where the client can: a third of the work a message for Redis
// and for us, and no caller waits for another's answer. A client that cannot (a
// ring, or one without a pipeline pool) is returned as it is.
//
// What comes back belongs to rdb and ends with it.
func Pipelined(rdb redis.UniversalClient) redis.UniversalClient {
	c, ok := rdb.(interface {
		AutoPipelineWithOptions(*redis.AutoPipelineOptions) (*redis.AutoPipeliner, error)
	})
	if !ok {
		return rdb
	}
	options := redis.DefaultBlockingAutoPipelineOptions()
	options.FullDuplex = true
	p, err := c.AutoPipelineWithOptions(options)
	if err != nil {
		return rdb
	}
	return p
}
