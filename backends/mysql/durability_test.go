package mysql_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/backends/mysql"
	"github.com/redrive-go/redrive/internal/testserver"
)

// A server that does not sync what it commits is warned of, and one as it comes is not.
func TestUnsyncedCommits(t *testing.T) {
	t.Parallel()
	dsn := testserver.PrivateMySQL(t).DSN()
	db := pool(t, dsn, 1, "")
	for flush, warning := range []string{
		0: `commits are not synced.* setting="innodb_flush_log_at_trx_commit = 0"\n$`,
		1: "^$",
		2: `commits are not synced.* setting="innodb_flush_log_at_trx_commit = 2"\n$`,
	} {
		_, err := db.ExecContext(t.Context(), fmt.Sprintf("SET GLOBAL innodb_flush_log_at_trx_commit = %d", flush))
		require.NoError(t, err)
		var log strings.Builder
		b, err := mysql.Open(t.Context(), dsn, &mysql.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		require.NoError(t, err)
		require.NoError(t, b.Close())
		assert.Regexp(t, warning, log.String())
	}
}
