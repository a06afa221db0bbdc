// Command check reads what the deploy folder offers as strictly as those who take it.
//
//	go run . manifests FILE...  # Kubernetes: every document must decode into the type it
//	                            # says it is, with no field unknown or given twice, and
//	                            # every pod must pass the "restricted" Pod Security Standard
//	go run . compose FILE       # as docker compose loads it
//	go run . static FILE        # a program that needs no dynamic linker
//
// It is a module of its own, so that outgate needs none of these libraries.
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
		return errors.New("usage: check manifests|compose|static, and files")
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
		return fmt.Errorf("%s: want manifests, compose or static", args[0])
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
