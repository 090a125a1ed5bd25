package testserver

import (
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFreePort(t *testing.T) {
	t.Parallel()
	// Servers of tests that run at the same time may be quicker, so it is tried some times.
	var l net.Listener
	for tries := 0; l == nil; tries++ {
		port, err := freePort()
		require.NoError(t, err)
		assert.GreaterOrEqual(t, port, lowestPort)
		assert.Less(t, port, lowestPort+ports)
		if l, err = net.Listen("tcp", address(port)); tries == 10 {
			require.NoError(t, err)
		}
	}
	assert.True(t, taken(l.Addr().(*net.TCPAddr).Port))
	require.NoError(t, l.Close())
}
