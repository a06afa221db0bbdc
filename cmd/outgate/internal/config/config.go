package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers"
	"github.com/outgate/outgate/handlers/provider"
	"github.com/outgate/outgate/partition"
	"github.com/outgate/outgate/ratelimit"
	"github.com/outgate/outgate/tasks"
)

// Config is the whole configuration, with the defaults filled in.
type Config struct {
	Redis       Redis       `yaml:"redis"`
	HTTP        HTTP        `yaml:"http"`
	Partitions  Partitions  `yaml:"partitions"`
	Pressure    Pressure    `yaml:"pressure"`
	Delivery    Delivery    `yaml:"delivery"`
	Results     Results     `yaml:"results"`
	Limits      Bounds      `yaml:"limits"`
	Worker      Worker      `yaml:"worker"`
	DeadLetters DeadLetters `yaml:"dead_letters"`
	Log         Log         `yaml:"log"`
	Bridges     []Bridge    `yaml:"bridges,omitempty"`
}

// Redis says where Redis is.
type Redis struct {
	// URL is redis, rediss, redis+sentinel or redis+cluster.
	URL SecretURL `yaml:"url"`
}

// HTTP is about the ops pages.
type HTTP struct {
	// Addr is the host:port to listen on.
	Addr string `yaml:"addr"`
	// Token guards everything but the health pages; empty guards nothing and is
	// allowed on a loopback address only.
	Token Secret `yaml:"token,omitempty"`
	// Asynqmon is "read" or "write": what its pages may do.
	Asynqmon string `yaml:"asynqmon"`
}

// Partitions is about the partitions. All but Capacity is part of the data
// in Redis and the same for every process.
type Partitions struct {
	Count     int    `yaml:"count"`
	Namespace string `yaml:"namespace"`
	// Capacity is how many envelopes one partition holds at most.
	Capacity int `yaml:"capacity"`
	// Hash is "sha1" or "fnv1a".
	Hash string `yaml:"hash"`
	// HashKey is "room", "bridge" or "thread".
	HashKey string `yaml:"hash_key"`
}

// Pressure says at which share of the capacity a level begins and what it
// does.
type Pressure struct {
	Warn     float64 `yaml:"warn"`
	Degraded float64 `yaml:"degraded"`
	Shed     float64 `yaml:"shed"`
	// DegradedAction is "throttle" or "none".
	DegradedAction   string        `yaml:"degraded_action"`
	DegradedThrottle time.Duration `yaml:"degraded_throttle"`
	// ShedAction is "drop_low" or "none".
	ShedAction     string           `yaml:"shed_action"`
	ShedPriorities []tasks.Priority `yaml:"shed_priorities"`
}

// Delivery is about all deliveries.
type Delivery struct {
	Policy `yaml:",inline"`
	// IdempotencyWindow is how long an idempotency key is remembered.
	IdempotencyWindow time.Duration `yaml:"idempotency_window"`
}

// Policy is the part of the delivery that each bridge may decide.
type Policy struct {
	MaxAttempts int           `yaml:"max_attempts"`
	BaseBackoff time.Duration `yaml:"base_backoff"`
	MaxBackoff  time.Duration `yaml:"max_backoff"`
	// Timeout is how long one attempt may take.
	Timeout time.Duration `yaml:"timeout"`
	// OnAmbiguous is "resend" or "fail".
	OnAmbiguous string `yaml:"on_ambiguous"`
	// OnFailure is "skip" or "hold".
	OnFailure string `yaml:"on_failure"`
	// CoalesceEdits leaves out an edit behind which a later one of the same message
	// waits; not given, it is as the channel has it.
	CoalesceEdits *bool `yaml:"coalesce_edits,omitempty"`
}

// Results is about outcomes.
type Results struct {
	// TTL is how long an outcome can be read; 0 keeps none.
	TTL time.Duration `yaml:"ttl"`
}

// Bounds bounds what is accepted.
type Bounds struct {
	// EnvelopeBytes is the most one envelope may have.
	EnvelopeBytes int `yaml:"envelope_bytes"`
}

// Worker is about one worker process.
type Worker struct {
	// Concurrency is how many envelopes of one partition are in delivery at once.
	Concurrency int `yaml:"concurrency"`
	// ShutdownTimeout is how long a stopping worker waits for deliveries.
	ShutdownTimeout time.Duration `yaml:"shutdown_timeout"`
}

// DeadLetters is about dead letters.
type DeadLetters struct {
	// TTL is how long a dead letter is kept.
	TTL time.Duration `yaml:"ttl"`
}

// Log is about the log.
type Log struct {
	// Level is "debug", "info", "warn" or "error".
	Level string `yaml:"level"`
	// Format is "json" or "console".
	Format string `yaml:"format"`
}

// Bridge is one bridge: one credential of one channel.
type Bridge struct {
	ID      string `yaml:"id"`
	Channel string `yaml:"channel"`
	// Values are those of the keys that the channel takes: its credentials, its
	// addresses, its options.
	Values Values `yaml:"-"`

	// Limits are the paces to keep; empty ones are the channel's own.
	Limits BridgeLimits `yaml:"limits,omitempty"`
	// Delivery is the policy in effect: the global one with the bridge's over it.
	Delivery    Policy   `yaml:"delivery"`
	Chunking    Chunking `yaml:"chunking"`
	MediaPolicy Media    `yaml:"media_policy"`
	Sanitize    Sanitize `yaml:"sanitize"`
	// Classify are rules tried before the channel's own.
	Classify classify.Rules `yaml:"classify,omitempty"`
}

// BridgeLimits are the paces of a bridge.
type BridgeLimits struct {
	// Bridge is for all rooms together, Room for each by itself.
	Bridge Limits `yaml:"bridge,omitempty"`
	Room   Limits `yaml:"room,omitempty"`
}

// Limits are limits that all hold at once.
type Limits []ratelimit.Limit

// MarshalYAML writes the limits as they are read: "1/1s 20/60s".
func (l Limits) MarshalYAML() (any, error) {
	words := make([]string, len(l))
	for i, limit := range l {
		words[i] = limit.String()
	}
	return strings.Join(words, " "), nil
}

// Chunking is about long texts.
type Chunking struct {
	// Max is the length at which a text is cut, in the channel's own unit; 0 is the
	// channel's own.
	Max int `yaml:"max"`
}

// Sanitize is about what a text must not hold.
type Sanitize struct {
	// Control is what becomes of control characters other than tab and line
	// breaks: "strip" takes them out, "reject" settles the envelope with reason
	// sanitize_failed, "keep" lets them pass.
	Control string `yaml:"control"`
	// Mentions is what becomes of texts that call everybody in a room: "neutralize"
	// breaks them up, "keep" lets them pass.
	Mentions string `yaml:"mentions"`
}

// Default is the configuration of an empty file.
func Default() *Config {
	scheme, pressure, policy := partition.DefaultScheme(), partition.DefaultPressure(), handlers.DefaultPolicy()
	c := &Config{
		Redis: Redis{URL: NewSecretURL("redis://127.0.0.1:6379/0")},
		HTTP:  HTTP{Addr: "127.0.0.1:8080", Asynqmon: "read"},
		Partitions: Partitions{
			Count: scheme.Count, Namespace: scheme.Namespace, Capacity: handlers.DefaultCapacity,
			Hash: string(scheme.Hash), HashKey: string(scheme.HashKey),
		},
		Pressure: Pressure{
			Warn: pressure.Warn, Degraded: pressure.Degraded, Shed: pressure.Shed,
			DegradedAction: "throttle", DegradedThrottle: pressure.Throttle, ShedAction: "drop_low",
		},
		Delivery: Delivery{
			Policy: Policy{
				MaxAttempts: policy.MaxAttempts, BaseBackoff: policy.Backoff.Base, MaxBackoff: policy.Backoff.Max,
				Timeout: policy.Timeout, OnAmbiguous: string(policy.OnAmbiguous), OnFailure: string(policy.OnFailure),
			},
			IdempotencyWindow: policy.IdempotencyWindow,
		},
		Results:     Results{TTL: handlers.DefaultResultTTL},
		Limits:      Bounds{EnvelopeBytes: tasks.DefaultMaxBytes},
		Worker:      Worker{Concurrency: handlers.DefaultConcurrency, ShutdownTimeout: handlers.DefaultShutdownTimeout},
		DeadLetters: DeadLetters{TTL: handlers.DefaultDeadLetterTTL},
		Log:         Log{Level: "info", Format: "json"},
	}
	for _, p := range pressure.ShedPriorities {
		c.Pressure.ShedPriorities = append(c.Pressure.ShedPriorities, tasks.Priority(p))
	}
	return c
}

// Load reads the file at path; an empty path is an empty file. Its errors
// are those of Parse, or that the file cannot be read.
func Load(path string, channels map[string]provider.Spec, env func(string) string, overrides ...Override) (*Config, error) {
	name, data, err := ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(name, data, channels, env, overrides...)
}

// ReadFile is the text at a path, and its name in faults.
func ReadFile(path string) (name string, data []byte, err error) {
	if path == "" {
		return "(no file)", nil, nil
	}
	data, err = os.ReadFile(path)
	if err != nil {
		return "", nil, fmt.Errorf("read the configuration: %w", err)
	}
	return path, data, nil
}

// Parse reads a configuration. The name stands in the faults, and files
// with secrets are relative to its folder; channels are those that a bridge can be of;
// env looks up a variable of the environment, empty if it is not set. The error joins
// every Fault there is, in the order of the file.
func Parse(name string, data []byte, channels map[string]provider.Spec, env func(string) string, overrides ...Override) (*Config, error) {
	c, faults := Read(name, data, channels, env, overrides)
	if err := Join(faults); err != nil {
		return nil, err
	}
	return c, nil
}

// Read is the configuration as far as it can be read, and what is wrong with it.
func Read(name string, data []byte, channels map[string]provider.Spec, env func(string) string, overrides []Override) (*Config, []Fault) {
	d := &document{file: name, dir: filepath.Dir(name), env: env, channels: channels, keys: keysOf(channels), overrides: overrides}
	c := Default()
	d.parse(data, c.read)
	return c, d.faults
}

// Redacted is the configuration in effect as YAML, without its secrets.
func (c *Config) Redacted() ([]byte, error) {
	text, err := yaml.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("print the configuration: %w", err)
	}
	return text, nil
}

// Scheme maps rooms to partitions.
func (c *Config) Scheme() partition.Scheme {
	p := c.Partitions
	return partition.Scheme{
		Count: p.Count, Namespace: p.Namespace, Hash: partition.Hash(p.Hash), HashKey: partition.HashKey(p.HashKey),
	}
}
