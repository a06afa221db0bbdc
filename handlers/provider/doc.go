// Package provider says what a provider is made of. A provider is one package,
// handlers/<channel>, with
//
//   - a Channel, and the optional methods below that its provider allows;
//   - its error rules, a Table for package classify, which each of its errors carries;
//   - its Spec: type, keys of the configuration, capabilities, fake and documentation.
//
// The command outgate has one list of the Specs, and makes the configuration, outgate
// dev and docs/channels.md from it. A program that embeds a worker needs the Channel
// alone: it gives it to handlers.Bridge.
package provider
