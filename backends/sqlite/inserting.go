package sqlite

import (
	"strings"
	"sync"

	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

// rowsPerInsert is how many rows one INSERT statement carries. More make little difference, and each row count is a
// statement of its own to prepare.
const rowsPerInsert = 16

// inserts holds the insertion of each table, made at its first use.
var inserts sync.Map

// insertion is the statements that add one row to a table, and rowsPerInsert rows.
type insertion struct{ one, many string }

func insertionInto(table string, columns []string) insertion {
	if known, ok := inserts.Load(table); ok {
		return known.(insertion)
	}
	head := "INSERT INTO " + table + " (" + strings.Join(columns, ", ") + ") VALUES "
	row := "(?" + strings.Repeat(", ?", len(columns)-1) + ")"
	const tail = " ON CONFLICT DO NOTHING"
	made := insertion{one: head + row + tail, many: head + row + strings.Repeat(", "+row, rowsPerInsert-1) + tail}
	inserts.Store(table, made)
	return made
}

// Insert implements sqlstore.Dialect.
func (d *dialect) Insert(t sqlstore.Tx, table string, columns []string, args []any) (inserted int64, err error) {
	statements, width := insertionInto(table, columns), len(columns)
	for len(args) > 0 {
		statement, rows := statements.one, 1
		if len(args) >= rowsPerInsert*width {
			statement, rows = statements.many, rowsPerInsert
		}
		n, err := t.Exec(statement, args[:rows*width]...)
		if err != nil {
			return inserted, err
		}
		inserted += n
		args = args[rows*width:]
	}
	return inserted, nil
}
