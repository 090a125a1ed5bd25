package mysql

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/backends/internal/sqlstore"
	"github.com/redrive-go/redrive/backends/internal/sqlstore/sqlstoretest"
)

// planned is a statement whose plan is looked at, and which index it must use for the table of that alias or name.
type planned struct {
	statement string
	keys      []any // what its %s lists
	args      []any
	index     string
}

// fill puts rows into each table, without telling the server to count them again.
func fill(t *testing.T, d *dialect, tx sqlstore.Tx, n int) {
	t.Helper()
	messages := make([]sqlstore.Outgoing, n)
	for i := range messages {
		messages[i] = sqlstore.Outgoing{Topic: "t", UUID: fmt.Sprint(i), Metadata: "{}", Payload: []byte("{}")}
	}
	require.NoError(t, d.Publish(tx, messages))
	_, err := tx.Exec(`UPDATE {messages} SET held = 1, claim = 7 WHERE id <= ?`, n/3)
	require.NoError(t, err)
	events := make([]any, 0, 5*n)
	letters := make([]any, 0, 15*n)
	for i := range n {
		events = append(events, fmt.Sprint(i), "", "queued", int64(0), int64(0))
		letters = append(letters, int64(1<<48+i), int64(1), int64(0), int64(0), int64(0), int64(0), "t", fmt.Sprint(i), fmt.Sprint(i),
			"", "", "", "{}", "", "")
	}
	added, err := d.Insert(tx, "events", []string{"correlation_id", "body_hash", "status", "created_at", "updated_at"}, events)
	require.NoError(t, err)
	assert.EqualValues(t, n, added)
	_, err = d.Insert(tx, "dead_letters", []string{"id", "dlq", "created_at", "accepted_at", "signature", "redrives", "topic", "message_id",
		"correlation_id", "error_type", "error_message", "error_stack", "metadata", "history", "payload"}, letters)
	require.NoError(t, err)
}

func plannedStatements() map[string]planned {
	ids, names := []any{}, []any{}
	for id := 2; id <= 18; id++ { // all but one of a few
		ids, names = append(ids, id), append(names, fmt.Sprint(id-1))
	}
	_, gone := sqlstore.List(slices.Clone(ids))
	span := []any{int64(1<<48 + 10), int64(1<<48 + 20), "t"}
	return map[string]planned{
		"claim":          {selectDue, nil, []any{"t", 10}, "waiting"},
		"mark":           {claimDue, ids, []any{1, 2, 3}, "PRIMARY"},
		"next due":       {selectNextDue, nil, []any{"t"}, "waiting"},
		"expired":        {selectExpired, nil, []any{"t", 10}, "waiting"},
		"lock claims":    {lockClaims, ids, nil, "PRIMARY"},
		"delete":         {deleteOf(len(gone)), nil, gone, "PRIMARY"},
		"lock free":      {lockFree, ids, nil, "PRIMARY"},
		"renew":          {renewClaims, ids, []any{1}, "PRIMARY"},
		"held":           {selectHeld, ids, nil, "PRIMARY"},
		"ready":          {backlogs[0], nil, []any{"t"}, "waiting"},
		"delayed":        {backlogs[1], nil, []any{"t"}, "waiting"},
		"in flight":      {backlogs[2], nil, []any{"t"}, "waiting"},
		"lock events":    {lockEvents, names, nil, "PRIMARY"},
		"tell events":    {tellEvents, names, []any{int64(1)}, "PRIMARY"},
		"look for old":   {sqlstore.SelectForgettable, nil, []any{int64(1), int64(1), "1", 500}, "PRIMARY"},
		"tell callbacks": {tellCallbacks, names, []any{int64(1)}, "PRIMARY"},
		"send entries":   {sendEntries, nil, append([]any{"", ""}, span...), "PRIMARY"},
		"sent entries":   {selectSent, nil, span, "PRIMARY"},
		"delete entries": {deleteSent, nil, span, "PRIMARY"},
	}
}

// TestPlans holds that what runs all the time never looks through a table, nor sorts what it finds: of thousands, for the
// time that takes, nor of a few, for the rows of others that it would wait for.
func TestPlans(t *testing.T) {
	t.Parallel()
	for _, n := range []int{18, 3000} {
		b := newBundle(t)
		b.write(t, func(tx sqlstore.Tx) error {
			fill(t, b.dialect, tx, n)
			return nil
		})
		for what, p := range plannedStatements() {
			what = fmt.Sprintf("%s of %d", what, n)
			statement, args := p.statement, p.args
			if p.keys != nil {
				list, keys := sqlstore.List(slices.Clone(p.keys))
				statement, args = fmt.Sprintf(statement, list), append(args, keys...)
			}
			var plan []map[string]string
			b.write(t, func(tx sqlstore.Tx) (err error) {
				plan, err = explainQuery(tx, statement, args...)
				return err
			})
			requireIndex(t, what, plan, p.index)
		}
	}
}

// TestForgettingPlans holds that old statuses are removed by their keys, however few or many they are: what a statement looks through
// it locks, and intake would wait for it.
func TestForgettingPlans(t *testing.T) {
	t.Parallel()
	for _, n := range []int{18, 3000} {
		for _, removed := range []int{2, min(n-1, 500)} {
			b := newBundle(t)
			ids := make([]any, removed)
			for i := range ids {
				ids[i] = fmt.Sprint(i)
			}
			list, keys := sqlstore.List(slices.Clone(ids))
			b.write(t, func(tx sqlstore.Tx) error {
				fill(t, b.dialect, tx, n)
				return nil
			})
			for _, p := range []planned{
				{fmt.Sprintf(sqlstore.LockForgettable, list), nil, append([]any{int64(1), int64(1)}, keys...), "PRIMARY"},
				{fmt.Sprintf(sqlstore.SelectBuried, list), nil, keys, "event"},
				{forgetOf(len(ids)), nil, ids, "PRIMARY"},
			} {
				var plan []map[string]string
				b.write(t, func(tx sqlstore.Tx) (err error) {
					plan, err = explainQuery(tx, p.statement, p.args...)
					return err
				})
				if p.index == "event" { // it locks nothing, and may read all of a small index
					assert.Equal(t, p.index, plan[0]["key"])
					continue
				}
				requireIndex(t, fmt.Sprintf("%.40s: %d of %d", p.statement, removed, n), plan, p.index)
			}
		}
	}
}

func requireIndex(t *testing.T, what string, plan []map[string]string, index string) {
	t.Helper()
	require.NotEmpty(t, plan, what)
	for _, step := range plan {
		if step["type"] == "" && step["key"] == "" && len(plan) > 1 { // the target of an INSERT … SELECT
			continue
		}
		if strings.HasPrefix(step["table"], "<derived") { // the ids to delete
			continue
		}
		assert.NotContains(t, []string{"ALL", "index"}, step["type"], "%s: %v", what, step)
		assert.Equal(t, index, step["key"], "%s: %v", what, step)
		if index == "waiting" {
			assert.NotContains(t, step["Extra"], "filesort", "%s: %v", what, step)
		}
	}
}

// TestCountPlans holds that dead letters are counted in an index, without a look at the rows: theirs are as large as payloads are.
func TestCountPlans(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	sqlstoretest.FillDeadLetters(t, b.db, b.dialect, 20)
	for index, counts := range sqlstoretest.Counts(t, b.db, b.dialect) {
		for _, count := range counts {
			var plan []map[string]string
			b.write(t, func(tx sqlstore.Tx) (err error) {
				plan, err = explainQuery(tx, count.Query, count.Args...)
				return err
			})
			want := map[string]string{"id": "PRIMARY", "event": "event", "cause": "cause"}
			step := plan[len(plan)-1]
			assert.Equal(t, want[index], step["key"], "%s: %v", count.Query, plan)
			if index == "cause" {
				assert.Contains(t, step["Extra"], "Using index", count.Query)
			}
		}
	}
}
