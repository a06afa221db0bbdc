package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// Verdict is what the doctor makes of one thing.
type Verdict string

// The verdicts. What cannot be seen, since Redis does not let us look, is a warning.
const (
	verdictOK      Verdict = "ok"
	verdictWarning Verdict = "warning"
	verdictProblem Verdict = "problem"
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
	says := oneLine(fmt.Sprintf(format, args...))
	if f.secret != nil {
		says, do = f.secret.Replace(says), f.secret.Replace(do)
	}
	f.list = append(f.list, Finding{Check: check, Verdict: v, Says: plain(says), Do: do})
}

func (f *findings) ok(check, format string, args ...any) {
	f.add(verdictOK, check, "", format, args...)
}

// unseen tells of what we may not look at: that is for somebody who may.
func (f *findings) unseen(check, look string, err error) {
	why := "Redis does not tell it"
	if err != nil {
		why = err.Error()
	}
	f.add(verdictWarning, check, "look by hand: "+look, "cannot be seen: %s", why)
}

func (f *findings) count(v Verdict) int {
	n := 0
	for _, finding := range f.list {
		if finding.Verdict == v {
			n++
		}
	}
	return n
}

func (a *app) doctorCommand() *cobra.Command {
	var s settings
	var asJSON bool
	cmd := &cobra.Command{
		Use: "doctor", Short: "Check Redis, the configuration and each bridge's credential, and say what to do",
		Long: "Check Redis (version, persistence, eviction, memory, clock, latency, rights), what the workers wrote into\n" +
			"it, the partitions, the configuration, and the credential of each of its bridges by a call that sends\n" +
			"nothing (of a webhook: by connecting). It changes nothing. The exit status is 0 where there are no\n" +
			"findings or warnings only, 1 where there is a problem, 2 for a faulty configuration.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f := &findings{}
			err := a.examine(cmd.Context(), s, f)
			if len(f.list) == 0 {
				return err
			}
			if perr := a.printFindings(f.list, asJSON); perr != nil {
				return perr
			}
			if n := f.count(verdictProblem); err == nil && n > 0 {
				err = fmt.Errorf("%s found", count(n, "problem"))
			}
			return err
		},
	}
	s.flags(cmd)
	jsonFlag(cmd, &asJSON)
	return cmd
}

// examine looks at everything. An error is of the usage or the configuration.
func (a *app) examine(ctx context.Context, s settings, f *findings) error {
	cfg, err := a.load(s)
	if faults := faultsIn(err); len(faults) > 0 {
		for _, fault := range faults {
			f.add(verdictProblem, "config", "correct it; outgate config check tells the same", "%s", fault.Error())
		}
		return tooFaulty(faults)
	}
	if err != nil {
		return err
	}
	f.secret = secretsOf(cfg)
	path := a.configPath(s.config)
	if path == "" {
		f.add(verdictWarning, "config", "name it with --config or OUTGATE_CONFIG",
			"no configuration was given: defaults are compared, and no bridge is tried")
	} else {
		f.ok("config", "%s is good, %s", path, count(len(cfg.Bridges), "bridge"))
	}
	rdb, err := newRedis(cfg.Redis.URL.Reveal())
	if err != nil {
		return err
	}
	defer func() { _ = rdb.Close() }()
	if examineRedis(ctx, rdb, cfg, f) {
		examineGateway(ctx, rdb, cfg, path != "", f)
	}
	examineBridges(ctx, cfg, f)
	return ctx.Err()
}

// secretsOf replaces the secrets of a configuration, should an error hold one.
func secretsOf(cfg *Config) *strings.Replacer {
	var pairs []string
	add := func(secrets ...string) {
		for _, s := range secrets {
			if len(s) > 3 {
				pairs = append(pairs, s, redacted)
			}
		}
	}
	if u, _, err := parseURL(cfg.Redis.URL.Reveal()); err == nil {
		password, _ := u.User.Password()
		add(password, u.Query().Get("sentinel_password"), u.Query().Get("password"))
	}
	for _, b := range cfg.Bridges {
		add(b.Token.Reveal(), b.Secret.Reveal(), b.Password.Reveal(), b.URL.Reveal())
	}
	return strings.NewReplacer(pairs...)
}

// printFindings prints findings as JSON, or for people.
func (a *app) printFindings(list []Finding, asJSON bool) error {
	if asJSON {
		return a.printJSON(list)
	}
	paint := func(_ Verdict, s string) string { return s }
	if a.colours() {
		paint = func(v Verdict, s string) string { return colourOf[v] + s + "\x1b[0m" }
	}
	width := 0
	for _, f := range list {
		width = max(width, len(f.Check))
	}
	n := make(map[Verdict]int)
	for _, f := range list {
		n[f.Verdict]++
		a.printf("%s %-*s  %s\n", paint(f.Verdict, fmt.Sprintf("%-7s", f.Verdict)), width, f.Check, f.Says)
		if f.Do != "" {
			a.printf("%*s  → %s\n", 8+width, "", f.Do)
		}
	}
	a.printf("\n%s, %s, %d ok\n", count(n[verdictProblem], "problem"), count(n[verdictWarning], "warning"), n[verdictOK])
	return nil
}

var colourOf = map[Verdict]string{verdictOK: "\x1b[32m", verdictWarning: "\x1b[33m", verdictProblem: "\x1b[31;1m"}

// colours is true where a terminal shows what is printed, and nobody asked for none
// (https://no-color.org).
func (a *app) colours() bool {
	out, ok := a.out.(*os.File)
	return ok && isTerminal(out) && a.env("NO_COLOR") == "" && a.env("TERM") != "dumb"
}

// bounded runs one check with its time limit.
func bounded(ctx context.Context, limit time.Duration, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return check(ctx)
}
