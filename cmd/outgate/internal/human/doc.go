// Package human formats ages, counts and texts for a terminal.
package human
