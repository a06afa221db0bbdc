package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/outgate/outgate/cmd/outgate/internal/config"
	"github.com/outgate/outgate/cmd/outgate/internal/doctor"
	"github.com/outgate/outgate/cmd/outgate/internal/human"
)

func (a *app) doctorCommand() *cobra.Command {
	var s settings
	var asJSON bool
	cmd := &cobra.Command{
		Use: "doctor", Short: "Check Redis, the configuration and the credential of each bridge, and say what to do",
		Long: "Check Redis (version, persistence, eviction, memory, clock, latency, permissions), the data of outgate in\n" +
			"it, the partitions, the configuration, and the credential of each bridge by a call that sends no message\n" +
			"(for a webhook: by a connection). The doctor changes nothing. The exit status is 1 if it finds a problem,\n" +
			"2 if the configuration has faults, and otherwise 0, also with warnings.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := a.examine(cmd.Context(), s)
			if len(list) == 0 {
				return err
			}
			if perr := a.printFindings(list, asJSON); perr != nil {
				return perr
			}
			problems := 0
			for _, f := range list {
				if f.Verdict == doctor.Problem {
					problems++
				}
			}
			if err == nil && problems > 0 {
				err = fmt.Errorf("%s found", human.Count(problems, "problem"))
			}
			return err
		},
	}
	s.flags(cmd)
	jsonFlag(cmd, &asJSON)
	return cmd
}

// examine returns the doctor's findings. Its error is a usage error or a faulty
// configuration.
func (a *app) examine(ctx context.Context, s settings) ([]doctor.Finding, error) {
	cfg, err := a.load(s)
	if faults := config.Faults(err); len(faults) > 0 {
		return doctor.Faulty(faults), tooFaulty(faults)
	}
	if err != nil {
		return nil, err
	}
	return doctor.Examine(ctx, cfg, a.configPath(s.config))
}

// printFindings prints the findings as JSON or as text.
func (a *app) printFindings(list []doctor.Finding, asJSON bool) error {
	if asJSON {
		return a.printJSON(list)
	}
	paint := func(_ doctor.Verdict, s string) string { return s }
	if a.colours() {
		paint = func(v doctor.Verdict, s string) string { return colourOf[v] + s + "\x1b[0m" }
	}
	width := 0
	for _, f := range list {
		width = max(width, len(f.Check))
	}
	n := make(map[doctor.Verdict]int)
	for _, f := range list {
		n[f.Verdict]++
		a.printf("%s %-*s  %s\n", paint(f.Verdict, fmt.Sprintf("%-7s", f.Verdict)), width, f.Check, f.Says)
		if f.Do != "" {
			a.printf("%*s  → %s\n", 8+width, "", f.Do)
		}
	}
	a.printf("\n%s, %s, %d ok\n", human.Count(n[doctor.Problem], "problem"), human.Count(n[doctor.Warning], "warning"), n[doctor.OK])
	return nil
}

var colourOf = map[doctor.Verdict]string{doctor.OK: "\x1b[32m", doctor.Warning: "\x1b[33m", doctor.Problem: "\x1b[31;1m"}

// colours is true if standard output is a terminal that shows colours and NO_COLOR is
// not set (https://no-color.org).
func (a *app) colours() bool {
	out, ok := a.out.(*os.File)
	return ok && isTerminal(out) && a.env("NO_COLOR") == "" && a.env("TERM") != "dumb"
}
