// Package dev runs a gateway with a Redis in one process, and gives a tour of it.
package dev
