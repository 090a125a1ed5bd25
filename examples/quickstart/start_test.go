package main

import (
	"database/sql"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/backends/sqlite"
	"github.com/redrive-go/redrive/internal/testserver"
)

// requireRefusal asserts that the program does not start: exit code 1 and one line that says why.
func requireRefusal(t *testing.T, want string, args ...string) {
	t.Helper()
	p := launch(t, args...)
	require.Equal(t, exitFailure, p.wait(t), p.stderr)
	assert.Equal(t, 1, strings.Count(p.stderr.String(), "\n"), p.stderr)
	assert.Contains(t, p.stderr.String(), "quickstart: ")
	assert.Contains(t, p.stderr.String(), want)
}

func TestProcessPortInUse(t *testing.T) {
	t.Parallel()
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, taken.Close()) }()
	folder := t.TempDir()
	requireRefusal(t, "address already in use", "-addr", taken.Addr().String(), "-dsn", filepath.Join(folder, "sub", "e.db"))
	left, err := os.ReadDir(folder)
	require.NoError(t, err)
	assert.Empty(t, left, "nothing is made")
}

func TestProcessPathsThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	file := filepath.Join(folder, "file")
	require.NoError(t, os.WriteFile(file, []byte("mine"), 0o600))
	good := filepath.Join(folder, "e.db")
	requireRefusal(t, "not a directory", "-dsn", filepath.Join(file, "e.db"))
	requireRefusal(t, "not a directory", "-dsn", filepath.Join(file, "deep", "e.db"))
	requireRefusal(t, "it is a folder", "-dsn", folder)
	requireRefusal(t, "export: ", "-dsn", good, "-exports", filepath.Join(file, "exports"))
	requireRefusal(t, "open the ledger", "-dsn", good, "-ledger", filepath.Join(file, "ledger"))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, "mine", string(text))
}

func TestProcessDatabasesThatAreNotIts(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	garbage := filepath.Join(folder, "garbage.db")
	require.NoError(t, os.WriteFile(garbage, []byte(strings.Repeat("This is a letter. ", 1000)), 0o600))
	newer := filepath.Join(folder, "newer.db")
	backend, err := sqlite.Open(t.Context(), newer, nil)
	require.NoError(t, err)
	require.NoError(t, backend.Close())
	execute(t, newer, "PRAGMA user_version = 99")
	foreign := filepath.Join(folder, "foreign.db")
	execute(t, foreign, "CREATE TABLE letters (text TEXT)")
	for path, want := range map[string]error{garbage: sqlite.ErrDamaged, newer: sqlite.ErrNewer, foreign: sqlite.ErrForeign} {
		before, err := os.ReadFile(path)
		require.NoError(t, err)
		requireRefusal(t, want.Error(), "-dsn", path)
		after, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, before, after, "%s is left as it is", path)
	}
}

// A broker that answers and denies access is refused at start, as is a URL that leads nowhere. Neither shows the password.
func TestProcessBrokerThatDeniesAccess(t *testing.T) {
	t.Parallel()
	url := testserver.AMQP(t)
	_, host, _ := strings.Cut(url, "@")
	for dsn, want := range map[string]string{
		"amqp://redrive:wrong-password@" + host: "the broker denies access: check the URL's user, password and virtual host",
		"amqp://redrive:wrong-%password@h/":     "the broker's URL must be amqp://",
	} {
		p := launch(t, brokerFlags(t, dsn)...)
		require.Equal(t, exitFailure, p.wait(t), p.stderr)
		assert.Contains(t, p.stderr.String(), "quickstart: amqp: open: "+want)
		assert.NotContains(t, p.stderr.String(), "wrong-")
	}
}

func execute(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), statement)
	require.NoError(t, err)
	require.NoError(t, db.Close())
}
