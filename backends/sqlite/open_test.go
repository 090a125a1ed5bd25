package sqlite_test

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/sqlite"
)

// made runs statements on a database file with a plain connection.
func made(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	for _, s := range statements {
		_, err := db.ExecContext(t.Context(), s)
		require.NoError(t, err)
	}
	require.NoError(t, db.Close())
}

// ours is a database of this library that was closed in order.
func ours(t *testing.T, path string) {
	t.Helper()
	b, err := sqlite.Open(t.Context(), path, nil)
	require.NoError(t, err)
	require.NoError(t, b.Close())
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		make func(t *testing.T, path string)
		want error
		says string
	}{
		{"text", func(t *testing.T, path string) {
			require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("no database at all ", 100)), 0o600))
		}, sqlite.ErrDamaged, "not a database"},
		{"a damaged page", func(t *testing.T, path string) {
			ours(t, path)
			made(t, path, `PRAGMA journal_mode = DELETE`)
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			copy(content[2*4096:], bytes.Repeat([]byte{0xa5}, 4096))
			require.NoError(t, os.WriteFile(path, content, 0o600))
		}, sqlite.ErrDamaged, ""},
		{"a database of another program", func(t *testing.T, path string) {
			made(t, path, `CREATE TABLE albums (title TEXT)`)
		}, sqlite.ErrForeign, "another program"},
		{"a newer schema", func(t *testing.T, path string) {
			ours(t, path)
			made(t, path, `PRAGMA user_version = 1000`, `PRAGMA journal_mode = DELETE`)
		}, sqlite.ErrNewer, "1000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "events.db")
			c.make(t, path)
			before, err := os.ReadFile(path)
			require.NoError(t, err)
			_, err = sqlite.Open(t.Context(), path, nil)
			require.ErrorIs(t, err, c.want)
			assert.ErrorContains(t, err, path)
			assert.ErrorContains(t, err, c.says)
			after, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.True(t, bytes.Equal(before, after), "the file was changed")
		})
	}
}

func TestOpenNamesWhatCannotBeUsed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for path, says := range map[string]string{
		dir:                                  "it is a folder",
		filepath.Join(dir, "none", "e.db"):   "its folder cannot be used",
		filepath.Join(file, "below", "e.db"): "not a directory",
	} {
		_, err := sqlite.Open(t.Context(), path, nil)
		require.Error(t, err)
		assert.ErrorContains(t, err, path)
		assert.ErrorContains(t, err, says)
	}
}

func TestOddPaths(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a ?b#c%20ü.db")
	ours(t, path)
	assert.FileExists(t, path)
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm(), "others can read the events")
	ours(t, path)
}

func TestOpenAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "events.db")
	var opening sync.WaitGroup
	for range 10 {
		opening.Go(func() {
			b, err := sqlite.Open(t.Context(), path, nil)
			if !assert.NoError(t, err) {
				return
			}
			_, err = b.Events.Accept(t.Context(), asyncevents.Acceptance{CorrelationID: "same", Topic: "t", Message: empty()})
			assert.NoError(t, err)
			assert.NoError(t, b.Close())
			assert.NoError(t, b.Close())
		})
	}
	opening.Wait()
}

func empty() *message.Message { return message.NewMessage("same", nil) }
