// Package lua puts the scripts that run inside Redis together, and holds what they
// share.
//
// A script is one file beside the Go file that runs it. A line
//
//	-- @include protobuf_read.lua
//
// in its first column stands for a library: a file of local functions, of the
// script's own folder or of this one. A library may include others. Each is put in
// once, at the first place that names it, so the text has whatever it uses above it.
// The line itself stays, and a second one marks the end of the library: whoever
// looks up the line number of an error finds the file that it is in.
package lua

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// shared are the libraries of this folder.
//
//go:embed *.lua
var shared embed.FS

const include = "-- @include "

// Load is the text of a script, put together from its own files and the shared
// libraries. An error names the file and the line of the fault.
func Load(files fs.FS, name string) (string, error) {
	l := loader{own: files, done: make(map[string]bool)}
	if err := l.add(name); err != nil {
		return "", err
	}
	return l.text.String(), nil
}

// MustLoad is Load for scripts that are built into the program: a fault of theirs
// is found by whatever test starts it.
func MustLoad(files fs.FS, name string) string {
	text, err := Load(files, name)
	if err != nil {
		panic(err)
	}
	return text
}

type loader struct {
	own  fs.FS
	text strings.Builder
	done map[string]bool
	open []string // the files that are being put in, the outermost first
}

// add puts a file in, and what it includes in the place of the lines that say so.
func (l *loader) add(name string) error {
	if slices.Contains(l.open, name) {
		return fmt.Errorf("circle of includes: %s", strings.Join(append(l.open, name), ", "))
	}
	if l.done[name] {
		return nil
	}
	text, err := l.find(name)
	if err != nil {
		return err
	}
	l.open, l.done[name] = append(l.open, name), true
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		l.text.WriteString(line + "\n")
		if err := l.line(line); err != nil {
			return fmt.Errorf("%s:%d: %w", name, i+1, err)
		}
	}
	l.open = l.open[:len(l.open)-1]
	return nil
}

// line follows an include, and does nothing about any other line.
func (l *loader) line(line string) error {
	if !strings.HasPrefix(strings.TrimSpace(line), strings.TrimSpace(include)) {
		return nil
	}
	name, first := strings.CutPrefix(line, include)
	if !first || name == "" || strings.ContainsAny(name, " \t\r") {
		return fmt.Errorf("want %q and a file's name, from the first column on, got %q", include, line)
	}
	if l.done[name] && !slices.Contains(l.open, name) {
		return nil
	}
	if err := l.add(name); err != nil {
		return err
	}
	l.text.WriteString("-- end of " + name + "\n")
	return nil
}

// find looks among the script's own files and among the shared libraries.
func (l *loader) find(name string) (string, error) {
	own, err := fs.ReadFile(l.own, name)
	common, missing := shared.ReadFile(name)
	switch {
	case err == nil && missing == nil:
		return "", fmt.Errorf("%s is a file of the script and a shared library", name)
	case err == nil:
		return string(own), nil
	case missing == nil:
		return string(common), nil
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("there is no file %s beside the script or among the shared libraries", name)
	}
	return "", err
}
