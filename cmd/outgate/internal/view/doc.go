// Package view says in words how rooms and bridges stand.
package view
