package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/outgate/outgate/cmd/outgate/internal/config"
	"github.com/outgate/outgate/cmd/outgate/internal/human"
)

func (a *app) configCommand() *cobra.Command {
	return group("config", "Check and print the configuration", a.configCheckCommand(), a.configPrintCommand())
}

func (a *app) configCheckCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "check FILE", Short: "Check a configuration file and print every fault with its line and column",
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			path, err := a.configArg(args)
			if err != nil {
				return err
			}
			cfg, err := a.load(settings{config: path})
			faults := config.Faults(err)
			switch {
			case asJSON && (err == nil || len(faults) > 0):
				if err := a.printFaults(faults); err != nil || len(faults) == 0 {
					return err
				}
				return tooFaulty(faults)
			case err != nil:
				return err
			}
			a.printf("%s: no faults, %s\n", path, human.Count(len(cfg.Bridges), "bridge"))
			return nil
		},
	}
	jsonFlag(cmd, &asJSON)
	return cmd
}

// printFaults prints the faults as JSON, an empty list for none.
func (a *app) printFaults(faults []config.Fault) error {
	type fault struct {
		File   string `json:"file"`
		Line   int    `json:"line"`
		Column int    `json:"column"`
		Path   string `json:"path,omitempty"`
		Why    string `json:"why"`
	}
	list := make([]fault, 0, len(faults))
	for _, f := range faults {
		list = append(list, fault(f))
	}
	return a.printJSON(list)
}

// configArg is the file to check: the argument, or OUTGATE_CONFIG.
func (a *app) configArg(args []string) (string, error) {
	if len(args) == 1 {
		return args[0], nil
	}
	if path := a.configPath(""); path != "" {
		return path, nil
	}
	return "", usagef("FILE is missing: outgate config check FILE, or set OUTGATE_CONFIG")
}

func (a *app) configPrintCommand() *cobra.Command {
	var s settings
	var asJSON bool
	cmd := &cobra.Command{
		Use: "print", Short: "Print the effective configuration, with defaults and without secrets", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			cfg, err := a.load(s)
			if err != nil {
				return err
			}
			text, err := cfg.Redacted()
			if err != nil || !asJSON {
				a.printf("%s", text)
				return err
			}
			var tree any
			if err := yaml.Unmarshal(text, &tree); err != nil {
				return fmt.Errorf("print the configuration: %w", err)
			}
			return a.printJSON(tree)
		},
	}
	s.flags(cmd)
	jsonFlag(cmd, &asJSON)
	return cmd
}
