package sqlite

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/backends/internal/sqlstore"
	"github.com/redrive-go/redrive/backends/internal/sqlstore/sqlstoretest"
)

// TestPlans holds that what runs all the time never looks through a table.
func TestPlans(t *testing.T) {
	t.Parallel()
	db, err := openDatabase(t.Context(), filepath.Join(t.TempDir(), "events.db"))
	require.NoError(t, err)
	defer func() { assert.NoError(t, db.Close()) }()
	for name, query := range map[string]string{
		"due": selectDue, "claim due": claimDue, "fresh": selectFresh, "next due": selectNextDue,
		"end": endClaims, "delete": deleteMessages, "delay": delayClaim, "renew": renewClaims,
		"update event": updateEvent, "redrive": redriveMessages, "redrive events": redriveEvents,
		"delete entries": deleteEntries, "look for old": sqlstore.SelectForgettable, "forget": fmt.Sprintf(sqlstore.ForgetEvents, "(?,?)"),
		"lock old": fmt.Sprintf(sqlstore.LockForgettable, "(?,?)"), "buried": fmt.Sprintf(sqlstore.SelectBuried, "(?,?)"),
	} {
		args := make([]any, strings.Count(query, "?"))
		for i := range args {
			args[i] = "1"
		}
		plan := explained(t, db, query, args...)
		for _, step := range plan {
			scan := strings.HasPrefix(step, "SCAN") && !strings.Contains(step, "json_each") && !strings.Contains(step, "j VIRTUAL") &&
				!strings.Contains(step, "(subquery") && !strings.Contains(step, "CONSTANT ROW")
			assert.False(t, scan, "%s: %s", name, strings.Join(plan, "; "))
		}
	}
}

// explained returns the steps of a statement's plan.
func explained(t *testing.T, db *database, query string, args ...any) (plan []string) {
	t.Helper()
	require.NoError(t, db.Read(t.Context(), func(tx sqlstore.Tx) error {
		return tx.Query(func(row sqlstore.Scanner) error {
			var id, parent, unused int
			var detail string
			err := row.Scan(&id, &parent, &unused, &detail)
			plan = append(plan, detail)
			return err
		}, "EXPLAIN QUERY PLAN "+query, args...)
	}), query)
	return plan
}

// TestCountPlans holds that dead letters are counted in an index, without a look at the rows: theirs are as large as payloads are.
func TestCountPlans(t *testing.T) {
	t.Parallel()
	db, err := openDatabase(t.Context(), filepath.Join(t.TempDir(), "events.db"))
	require.NoError(t, err)
	defer func() { assert.NoError(t, db.Close()) }()
	sqlstoretest.FillDeadLetters(t, db, newDialect(db), 20)
	for index, counts := range sqlstoretest.Counts(t, db, newDialect(db)) {
		for _, count := range counts {
			plan := strings.Join(explained(t, db, count.Query, count.Args...), "; ")
			want := map[string]string{"id": "USING INTEGER PRIMARY KEY", "event": "dead_letters_event", "cause": "COVERING INDEX dead_letters_cause"}
			assert.Contains(t, plan, want[index], count.Query)
		}
	}
}
