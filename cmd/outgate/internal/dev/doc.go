// Package dev runs a gateway with an embedded Redis in one process and plays a tour.
package dev
