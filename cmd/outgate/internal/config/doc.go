// Package config reads a configuration in YAML, and reports every fault with its line.
package config
