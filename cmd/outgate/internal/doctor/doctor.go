package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/outgate/outgate/cmd/outgate/internal/config"
	"github.com/outgate/outgate/cmd/outgate/internal/human"
)

// Verdict is what the doctor makes of one thing.
type Verdict string

// The verdicts. What cannot be seen, since Redis does not let us look, is a warning.
const (
	OK      Verdict = "ok"
	Warning Verdict = "warning"
	Problem Verdict = "problem"
)

// Finding is what the doctor found at one place.
type Finding struct {
	// Check names what was looked at: "redis.eviction", "bridge.orders".
	Check   string  `json:"check"`
	Verdict Verdict `json:"verdict"`
	Says    string  `json:"says"`
	// Do says what to do about it; empty where all is well.
	Do string `json:"do,omitempty"`
}

// findings collects what is found. Nothing secret gets in.
type findings struct {
	list   []Finding
	secret *strings.Replacer
}

func (f *findings) add(v Verdict, check, do, format string, args ...any) {
	says := human.OneLine(fmt.Sprintf(format, args...))
	if f.secret != nil {
		says, do = f.secret.Replace(says), f.secret.Replace(do)
	}
	f.list = append(f.list, Finding{Check: check, Verdict: v, Says: human.Plain(says), Do: do})
}

func (f *findings) ok(check, format string, args ...any) {
	f.add(OK, check, "", format, args...)
}

// unseen tells of what we may not look at: that is for somebody who may.
func (f *findings) unseen(check, look string, err error) {
	why := "Redis does not tell it"
	if err != nil {
		why = err.Error()
	}
	f.add(Warning, check, "look by hand: "+look, "cannot be seen: %s", why)
}

// Faulty are the findings of a configuration that has faults.
func Faulty(faults []config.Fault) []Finding {
	f := &findings{}
	for _, fault := range faults {
		f.add(Problem, "config", "correct it; outgate config check tells the same", "%s", fault.Error())
	}
	return f.list
}

// Examine looks at everything that a configuration names, which stands at path; without
// a path there is none. It changes nothing. The findings there are stand beside an error.
func Examine(ctx context.Context, cfg *config.Config, path string) ([]Finding, error) {
	f := &findings{secret: cfg.Censor()}
	if path == "" {
		f.add(Warning, "config", "name it with --config or OUTGATE_CONFIG",
			"no configuration was given: defaults are compared, and no bridge is tried")
	} else {
		f.ok("config", "%s is good, %s", path, human.Count(len(cfg.Bridges), "bridge"))
	}
	rdb, err := config.NewRedis(cfg.Redis.URL.Reveal())
	if err != nil {
		return f.list, err
	}
	defer func() { _ = rdb.Close() }()
	if examineRedis(ctx, rdb, cfg, f) {
		examineGateway(ctx, rdb, cfg, path != "", f)
	}
	examineBridges(ctx, cfg, f)
	return f.list, ctx.Err()
}

// bounded runs one check with its time limit.
func bounded(ctx context.Context, limit time.Duration, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return check(ctx)
}
