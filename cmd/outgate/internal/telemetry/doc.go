// Package telemetry exports traces and serves profiles, as the environment asks for.
package telemetry
