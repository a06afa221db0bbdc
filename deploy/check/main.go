// Command check reads the files of the deploy folder as strictly as their users do.
//
//	go run . manifests FILE...  # Kubernetes: every document must decode into its type,
//	                            # with no field unknown or given twice, and every pod
//	                            # must pass the "restricted" Pod Security Standard
//	go run . compose FILE       # load it as docker compose does
//	go run . static FILE        # the program must need no dynamic linker
//
// It is a separate module, so that outgate needs none of these libraries.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "check:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) < 2 {
		return errors.New("usage: check manifests|compose|static FILE...")
	}
	read := map[string]func(file string) ([]string, error){
		"manifests": func(file string) ([]string, error) {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			return Check(text)
		},
		"compose": func(file string) ([]string, error) { return composed(ctx, file) },
		"static":  func(file string) ([]string, error) { return []string{"static"}, static(file) },
	}[args[0]]
	if read == nil {
		return fmt.Errorf("got the command %q, want manifests, compose or static", args[0])
	}
	var all []error
	for _, file := range args[1:] {
		found, err := read(file)
		if err != nil {
			all = append(all, fmt.Errorf("%s:\n%w", file, err))
			continue
		}
		_, _ = fmt.Fprintf(out, "%s: %v\n", file, found)
	}
	return errors.Join(all...)
}
