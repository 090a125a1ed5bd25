package export

import (
	"hash"
	"io"
)

// meter counts and hashes what goes through it.
type meter struct {
	to      io.Writer
	hash    hash.Hash
	written int64
}

// Write passes b on.
func (m *meter) Write(b []byte) (int, error) {
	n, err := m.to.Write(b)
	m.written += int64(n)
	m.hash.Write(b[:n]) // a hash.Hash never returns an error
	return n, err
}
