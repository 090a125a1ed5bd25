// Package sqlstoretest is what the tests of several databases ask of the shared stores.
package sqlstoretest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/backends/internal/sqlstore"
	"github.com/redrive-go/redrive/dlq"
)

// Statement is one that a store ran, in the words of all databases.
type Statement struct {
	Query string
	Args  []any
}

// queue is the DLQ that is counted.
const queue = "counted"

// FillDeadLetters puts n entries of two causes into the DLQ that Counts counts, and as many into another one.
func FillDeadLetters(t *testing.T, db sqlstore.Database, dialect sqlstore.Dialect, n int) {
	t.Helper()
	store := sqlstore.NewDeadLetters(db, dialect, nil)
	for i := range 2 * n {
		e := dlq.Entry{
			Queue: []string{queue, "other"}[i%2], Topic: "t", MessageID: fmt.Sprint(i), CorrelationID: fmt.Sprint(i / 4), Payload: []byte("{}"),
			Redrives: i / 2 % 3, Failure: dlq.Failure{Type: "error", Message: []string{"one", "two"}[i/2%2]},
		}
		require.NoError(t, store.Add(t.Context(), e))
	}
}

// Counts returns the statement that counts dead letters, by the index that has to serve it: "id" is that of the table itself.
func Counts(t *testing.T, db sqlstore.Database, dialect sqlstore.Dialect) map[string][]Statement {
	t.Helper()
	one := 1
	cause := dlq.Failure{Type: "error", Message: "one"}.Signature()
	counts := map[string][]Statement{}
	for index, asked := range map[string][]dlq.CountParams{
		"id":    {{ListParams: dlq.ListParams{UpTo: 5}}, {ListParams: dlq.ListParams{UpTo: 5, Limit: 3}}, {ListParams: dlq.ListParams{IDs: []int64{2, 3, 5}}}},
		"event": {{ListParams: dlq.ListParams{CorrelationID: "1"}}, {ListParams: dlq.ListParams{CorrelationID: "1", Signature: cause}}},
		"cause": {
			{ListParams: dlq.ListParams{Signature: cause, UpTo: 5}}, {ListParams: dlq.ListParams{Signature: cause}, MaxRedrives: &one},
			{MinRedrives: &one}, {Job: "job"}, {ListParams: dlq.ListParams{UpTo: 5}, Job: "job", MaxRedrives: &one},
		},
	} {
		for _, p := range asked {
			r := &recorder{Database: db}
			p.Queue = queue
			_, _, err := sqlstore.NewDeadLetters(r, dialect, nil).Count(t.Context(), p)
			require.NoError(t, err)
			require.Contains(t, r.last.Query, "count(*)")
			counts[index] = append(counts[index], r.last)
		}
	}
	return counts
}

// recorder keeps the last query of a view.
type recorder struct {
	sqlstore.Database
	last Statement
}

// View implements sqlstore.Database.
func (r *recorder) View(ctx context.Context, work func(sqlstore.Tx) error) error {
	return r.Database.View(ctx, func(t sqlstore.Tx) error { return work(recording{t, r}) })
}

type recording struct {
	sqlstore.Tx
	into *recorder
}

// Query implements sqlstore.Tx.
func (r recording) Query(scan func(sqlstore.Scanner) error, query string, args ...any) error {
	r.into.last = Statement{strings.TrimSpace(query), args}
	return r.Tx.Query(scan, query, args...)
}
