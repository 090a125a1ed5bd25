package mysql

import (
	"database/sql"
	"errors"
	"fmt"
	"strconv"

	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

// errNoPlan is returned where EXPLAIN does not answer as it should.
var errNoPlan = errors.New("EXPLAIN returned no number of rows")

// estimate is how many rows the server expects of a query that has more than countLimit.
func estimate(t sqlstore.Tx, query string, args ...any) (int64, error) {
	plan, err := explainQuery(t, query, args...)
	if err != nil {
		return 0, err
	}
	if len(plan) == 0 {
		return 0, errNoPlan
	}
	n, err := strconv.ParseInt(plan[0]["rows"], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errNoPlan, err)
	}
	return max(n, countLimit), nil
}

// explainQuery returns the steps of a query's plan by the names of their columns, which are not the same everywhere.
func explainQuery(t sqlstore.Tx, query string, args ...any) (steps []map[string]string, err error) {
	err = t.Query(func(row sqlstore.Scanner) error {
		named, ok := row.(interface{ Columns() ([]string, error) })
		if !ok {
			return errNoPlan
		}
		names, err := named.Columns()
		if err != nil {
			return err
		}
		values := make([]sql.NullString, len(names))
		dest := make([]any, len(names))
		for i := range values {
			dest[i] = &values[i]
		}
		if err := row.Scan(dest...); err != nil {
			return err
		}
		step := make(map[string]string, len(names))
		for i, name := range names {
			step[name] = values[i].String
		}
		steps = append(steps, step)
		return nil
	}, "EXPLAIN FORMAT=TRADITIONAL "+query, args...)
	return steps, err
}
