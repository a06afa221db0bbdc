// Package chunk cuts a text into pieces that a provider takes.
package chunk

import "github.com/outgate/outgate/tasks"

// Cut cuts a text into pieces within a length.
func Cut(text string, _ tasks.Length, _ tasks.Format) []string { return []string{text} }
