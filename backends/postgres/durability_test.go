package postgres_test

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/backends/postgres"
	"github.com/redrive-go/redrive/internal/testserver"
)

// Connections that do not wait for the disk are warned of, and others are not.
func TestUnsyncedCommits(t *testing.T) {
	t.Parallel()
	dsn, schema := testserver.PostgresSchema(t)
	for commit, warning := range map[string]string{
		"on": "", "local": "", "remote_write": "",
		"off": `level=WARN .*commits are not synced.* setting="synchronous_commit = off"\n$`,
	} {
		t.Run(commit, func(t *testing.T) {
			log := &collector{}
			b := openOwn(t, dsn+"&synchronous_commit="+commit, &postgres.Config{
				Schema: schema, NoListen: true, Logger: slog.New(slog.NewTextHandler(log, nil)),
			})
			require.NoError(t, b.Close())
			if warning == "" {
				assert.Empty(t, log.String())
				return
			}
			assert.Regexp(t, warning, log.String())
		})
	}
}
