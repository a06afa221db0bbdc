// Package listen opens the addresses of this program's web pages.
package listen
