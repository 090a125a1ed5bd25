package amqp

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/backends/sqlite"
)

// What is wrong with a URL is said without it: it may hold a password.
func TestOpenShowsNoPassword(t *testing.T) {
	t.Parallel()
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "events.db"), nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	for _, url := range []string{"amqp://u:sec%ret@h/", "amqp://u:sec/ret@h/", "amqp://u:sec ret@h/", "http://u:secret@h/"} {
		_, err := Open(t.Context(), url, store, nil)
		require.ErrorIs(t, err, errURL)
		assert.NotContains(t, err.Error(), "sec")
	}
}
