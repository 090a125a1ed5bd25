package testserver

import (
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFreePort(t *testing.T) {
	t.Parallel()
	port, err := freePort()
	require.NoError(t, err)
	assert.False(t, taken(port))
	l, err := net.Listen("tcp", address(port))
	require.NoError(t, err)
	assert.True(t, taken(port))
	require.NoError(t, l.Close())
}
