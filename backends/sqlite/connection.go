package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	sqlite "modernc.org/sqlite"

	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

// drv is the driver with the clock that words names. SQLite's own knows no microseconds.
var drv = newDriver()

func newDriver() *sqlite.Driver {
	d := &sqlite.Driver{}
	d.MustRegisterScalarFunction("redrive_now", 0, func(*sqlite.FunctionContext, []driver.Value) (driver.Value, error) {
		return time.Now().UnixMicro(), nil
	})
	return d
}

// file opens connections to a file for database/sql.
type file struct{ dsn string }

// Connect implements driver.Connector.
func (f file) Connect(context.Context) (driver.Conn, error) { return drv.Open(f.dsn) }

// Driver implements driver.Connector.
func (f file) Driver() driver.Driver { return drv }

// connection is the one connection that writes. It stands on the driver itself: database/sql's pool has nothing to do
// for a single connection, and its locks and conversions cost as much as a small statement of SQLite does.
type connection struct {
	conn       driver.Conn
	statements map[string]*statement
}

// statement is a prepared statement with what it needs to run, used again each time.
type statement struct {
	stmt interface {
		driver.Stmt
		driver.StmtExecContext
		driver.StmtQueryContext
	}
	args []driver.NamedValue
	row  row
}

func openConnection(dsn string) (*connection, error) {
	conn, err := drv.Open(dsn)
	if err != nil {
		return nil, err
	}
	return &connection{conn: conn, statements: map[string]*statement{}}, nil
}

func (c *connection) close() error {
	errs := make([]error, 0, len(c.statements)+1)
	for _, s := range c.statements {
		errs = append(errs, s.stmt.Close())
	}
	return errors.Join(append(errs, c.conn.Close())...)
}

// prepared returns a statement, prepared at its first use, with its arguments.
func (c *connection) prepared(query string, args []any) (*statement, error) {
	s, ok := c.statements[query]
	if !ok {
		stmt, err := c.conn.Prepare(words.Of(query))
		if err != nil {
			return nil, fmt.Errorf("prepare %q: %w", strings.Join(strings.Fields(query), " "), err)
		}
		s = &statement{}
		if s.stmt, ok = stmt.(interface {
			driver.Stmt
			driver.StmtExecContext
			driver.StmtQueryContext
		}); !ok {
			return nil, fmt.Errorf("prepare: the driver's statements lack methods: %T", stmt)
		}
		c.statements[query] = s
	}
	s.args = s.args[:0]
	for i, arg := range args {
		value, err := valueOf(arg)
		if err != nil {
			return nil, fmt.Errorf("argument %d of %q: %w", i+1, query, err)
		}
		s.args = append(s.args, driver.NamedValue{Ordinal: i + 1, Value: value})
	}
	return s, nil
}

// valueOf turns an argument into one that the driver takes.
func valueOf(arg any) (driver.Value, error) {
	switch v := arg.(type) {
	case nil, int64, string, []byte:
		return v, nil
	case int:
		return int64(v), nil
	}
	return nil, fmt.Errorf("%T is not stored", arg)
}

// exec runs a statement and returns how many rows it changed.
func (c *connection) exec(query string, args []any) (int64, error) {
	s, err := c.prepared(query, args)
	if err != nil {
		return 0, err
	}
	defer clear(s.args) // they may be large
	result, err := s.stmt.ExecContext(context.Background(), s.args)
	if err != nil {
		return 0, explain(err)
	}
	return result.RowsAffected()
}

// query runs a statement and calls scan for each of its rows.
func (c *connection) query(scan func(sqlstore.Scanner) error, query string, args []any) error {
	s, err := c.prepared(query, args)
	if err != nil {
		return err
	}
	defer clear(s.args)
	rows, err := s.stmt.QueryContext(context.Background(), s.args)
	if err != nil {
		return explain(err)
	}
	if s.row == nil {
		s.row = make(row, len(rows.Columns()))
	}
	defer clear(s.row)
	for {
		err := rows.Next(s.row)
		if err == nil {
			err = scan(s.row)
		}
		if errors.Is(err, io.EOF) {
			return rows.Close()
		}
		if err != nil {
			return errors.Join(err, rows.Close())
		}
	}
}

// row implements sqlstore.Scanner on values as the driver returns them.
type row []driver.Value

// Scan copies the row's columns. NULL leaves its destination as it is.
func (r row) Scan(dest ...any) error {
	if len(dest) != len(r) {
		return fmt.Errorf("%d destinations for %d columns", len(dest), len(r))
	}
	for i, value := range r {
		if !assign(dest[i], value) {
			return fmt.Errorf("column %d: a %T cannot be read into a %T", i+1, value, dest[i])
		}
	}
	return nil
}

func assign(dest any, value driver.Value) bool {
	switch v := value.(type) {
	case nil:
		return true
	case int64:
		switch d := dest.(type) {
		case *int64:
			*d = v
		case *int:
			*d = int(v)
		case *bool:
			*d = v != 0
		default:
			return false
		}
		return true
	case string:
		d, ok := dest.(*string)
		if ok {
			*d = v
		}
		return ok
	case []byte:
		d, ok := dest.(*[]byte)
		if ok {
			*d = v
		}
		return ok
	}
	return false
}
