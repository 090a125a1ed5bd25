package mysql

import (
	"context"
	"database/sql"

	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

// newSource returns a pool that speaks MySQL.
func newSource(db *sql.DB, own bool, names sqlstore.Names) *sqlstore.StdSource {
	return &sqlstore.StdSource{
		DB: db, Own: own, Words: newWords(names), Explain: explain,
		On: func(on sqlstore.StdExecutor) sqlstore.StdExecutor { return inBytes{on} },
	}
}

// newWords returns the words of MySQL for tables of these names. The clock stands still throughout a statement, and knows
// nothing of the session's time zone. INSERT IGNORE would pass over all kinds of faults and cut what is too long.
func newWords(names sqlstore.Names) *sqlstore.Words {
	return &sqlstore.Words{
		Table: names.Table,
		Now:   "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))",
		Lock:  "FOR UPDATE",
		Hints: map[string]string{
			"by event": "FORCE INDEX (event)", "by cause": "FORCE INDEX (cause)", "by moves": "FORCE INDEX (cause)",
			"by key": "FORCE INDEX (PRIMARY)",
		},
		InsertNew: "INSERT",
		IfNew:     "ON DUPLICATE KEY UPDATE id = id",
	}
}

// inBytes hands texts to the driver as bytes. The server would read a text in the character set of the connection, which
// may have no place for all that can stand in it; bytes are stored and compared as they are.
type inBytes struct{ on sqlstore.StdExecutor }

// ExecContext implements sqlstore.StdExecutor.
func (b inBytes) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return b.on.ExecContext(ctx, query, bytesOf(args)...)
}

// QueryContext implements sqlstore.StdExecutor.
func (b inBytes) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return b.on.QueryContext(ctx, query, bytesOf(args)...)
}

func bytesOf(args []any) []any {
	values := make([]any, len(args))
	for i, arg := range args {
		if text, ok := arg.(string); ok {
			arg = []byte(text)
		}
		values[i] = arg
	}
	return values
}
