// Package top shows a gateway live on a terminal.
package top
