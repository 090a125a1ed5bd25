package postgres

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/sqlstore"
	"github.com/redrive-go/redrive/dlq"
)

// watched is a database that notes what a setting was at the end of each transaction.
type watched struct {
	*sqlstore.Server
	setting string
	seen    []string
}

// Write implements sqlstore.Database.
func (w *watched) Write(ctx context.Context, work func(sqlstore.Tx) error) error {
	return w.Server.Write(ctx, func(t sqlstore.Tx) error {
		if err := work(t); err != nil {
			return err
		}
		w.seen = append(w.seen, settingOf(t, w.setting))
		return nil
	})
}

// settingOf returns a setting, or why it could not be read.
func settingOf(t sqlstore.Tx, name string) (setting string) {
	if err := sqlstore.One(t, []any{&setting}, `SELECT current_setting(?)`, name); err != nil {
		return err.Error()
	}
	return setting
}

// What moves or erases many entries has the server write as it goes, and nothing else does.
func TestSpreadHoldsForChunks(t *testing.T) {
	t.Parallel()
	d := newTestDialect(t)
	w := &watched{Server: d.db, setting: "backend_flush_after"}
	b, _ := sqlstore.NewBackend(w, d, sqlstore.Parts{Flushers: 1})
	store, name := b.DeadLetters, asyncevents.EventsQueue
	require.NoError(t, store.Add(t.Context(), dlq.Entry{Queue: name, Topic: "t", MessageID: "1"}))
	require.NoError(t, store.Add(t.Context(), dlq.Entry{Queue: name, Topic: "t", MessageID: "2"}))
	redriven, err := store.Redrive(t.Context(), dlq.RedriveParams{Queue: name, Selection: dlq.Selection{UpTo: 1, Limit: 250}})
	require.NoError(t, err)
	assert.Equal(t, int64(1), redriven.Moved)
	erased, err := store.Erase(t.Context(), dlq.EraseParams{Queue: name, Selection: dlq.Selection{UpTo: 2, Limit: 250}})
	require.NoError(t, err)
	assert.Equal(t, int64(1), erased)
	assert.Equal(t, []string{"0", "0", "256kB", "256kB"}, w.seen)
	assert.Equal(t, "0", settingOf(d.db.Direct(t.Context()), "backend_flush_after"), "the connection is as it was")
}

// fillEntries makes n events in the DLQ with that id.
func fillEntries(t *testing.T, d *dialect, id int64, n int) {
	t.Helper()
	exec(t, d, `INSERT INTO {events} (correlation_id, body_hash, created_at, updated_at, status)
		SELECT md5(i::text), '', 1, 1, 'failed' FROM generate_series(1, ?::bigint) i`, n)
	exec(t, d, `INSERT INTO {dead_letters} (id, dlq, created_at, accepted_at, signature, redrives, topic, message_id, correlation_id,
			error_type, error_message, error_stack, metadata, history, payload)
		SELECT ?::bigint + i, 1, 1, 1, 1, 0, 't', md5(i::text), md5(i::text), '', '', '', '{}', '', ''
		FROM generate_series(1, ?::bigint) i`, id, n)
}

// Whatever the statistics say, moving a chunk back reads and changes only what belongs to it. Of few events all may be read:
// that costs less.
func TestMovePlan(t *testing.T) {
	t.Parallel()
	const n = 60_000
	fill := func(t *testing.T, d *dialect) { fillEntries(t, d, 0, n) }
	count := func(t *testing.T, d *dialect) { exec(t, d, "VACUUM ANALYZE {events}, {dead_letters}") }
	for name, prepare := range map[string]func(*testing.T, *dialect){
		"no statistics":   fill,
		"good statistics": func(t *testing.T, d *dialect) { fill(t, d); count(t, d) },
		"empty before":    func(t *testing.T, d *dialect) { count(t, d); fill(t, d) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newTestDialect(t)
			prepare(t, d)
			for _, scan := range explained(t, d, moveEvents, int64(1), int64(250), "t", "t", "", "", int64(1)).scans() {
				assert.NotEqual(t, "Seq Scan", scan.Node, "%+v", scan)
			}
		})
	}
}
