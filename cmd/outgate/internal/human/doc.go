// Package human writes ages, counts and texts for people who read them in a terminal.
package human
