package media

import (
	"io"
	"net/netip"
	"os"
)

// NewGuardedFetcher makes a Fetcher that dials only the allowed addresses.
func NewGuardedFetcher(p Policy, allow func(netip.Addr) bool) *Fetcher { return newFetcher(p, allow) }

// CleanName calls cleanName.
func CleanName(name string) string { return cleanName(name) }

// FillFile writes what it reads to an open file.
func FillFile(file *os.File, r io.Reader, limit int64) error {
	return (&spool{file: file}).fill(r, limit)
}
