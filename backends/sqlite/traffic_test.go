package sqlite_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/sqlite"
)

// TestTrafficIsForgotten holds that what is a day old goes when a new minute begins, and what is younger stays.
func TestTrafficIsForgotten(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "db")
	ours(t, path)
	made(t, path, `INSERT INTO dlqs (id, name, last_entry) VALUES (1, 'events', 0)`,
		`INSERT INTO traffic (dlq, at, depth, accepted, done, again, dead)
		SELECT 1, unixepoch() / 60 * 60000000 - 60000000 * column1, column1, 0, 0, 0, 0 FROM (VALUES (1), (1430), (1445), (20000))`)
	b, err := sqlite.Open(t.Context(), path, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, b.Close()) }()
	require.NoError(t, b.Traffic.Note(t.Context(), "events", asyncevents.Traffic{}))
	minutes, err := b.Traffic.Since(t.Context(), "events", time.Time{})
	require.NoError(t, err)
	var depths []int64
	for _, m := range minutes {
		depths = append(depths, m.Depth)
	}
	assert.Equal(t, []int64{1430, 1, 0}, depths)
}
