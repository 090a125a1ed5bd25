package dlq_test

import (
	"bytes"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

func filled(t *testing.T, n int) (*dlq.Manager, *fake) {
	t.Helper()
	f := &fake{}
	f.fill(t, n)
	return dlq.NewManager(f, quiet), f
}

func TestManagerListPages(t *testing.T) {
	t.Parallel()
	m, f := filled(t, 7)
	var ids []int64
	query := dlq.Query{Limit: 3}
	for {
		page, err := m.List(t.Context(), "events", query)
		require.NoError(t, err)
		for _, e := range page.Entries {
			ids = append(ids, e.ID)
		}
		if query.Cursor == "" { // entries come and go between the pages
			_, err = m.RetryOldest(t.Context(), "events")
			require.NoError(t, err)
			f.fill(t, 1)
		}
		assert.Equal(t, int64(7), page.Total)
		if query.Cursor = page.NextCursor; query.Cursor == "" {
			break
		}
	}
	assert.Equal(t, []int64{1, 2, 3, 4, 5, 6, 7, 8}, ids, "none skipped, none twice")
}

func TestManagerListLimits(t *testing.T) {
	t.Parallel()
	m, _ := filled(t, 1100)
	for limit, want := range map[int]int{0: 50, -1: 50, 1: 1, 1000: 1000, 5000: 1000} {
		page, err := m.List(t.Context(), "events", dlq.Query{Limit: limit})
		require.NoError(t, err)
		assert.Len(t, page.Entries, want)
		assert.NotEmpty(t, page.NextCursor)
	}
	page, err := m.List(t.Context(), "callbacks", dlq.Query{})
	require.NoError(t, err)
	assert.Equal(t, dlq.Page{Entries: []dlq.Entry{}, Counted: true, Complete: true}, page, "an empty page, not null")
	m, _ = filled(t, 50)
	page, err = m.List(t.Context(), "events", dlq.Query{})
	require.NoError(t, err)
	assert.Empty(t, page.NextCursor, "nothing follows a page that is just full")
}

func TestManagerGet(t *testing.T) {
	t.Parallel()
	m, _ := filled(t, 3)
	entry, err := m.Get(t.Context(), "events", 2)
	require.NoError(t, err)
	assert.Equal(t, int64(2), entry.ID)
	for _, id := range []int64{0, -1, 4} {
		_, err = m.Get(t.Context(), "events", id)
		require.ErrorIs(t, err, dlq.ErrNotFound, id)
	}
	_, err = m.Get(t.Context(), "callbacks", 2)
	require.ErrorIs(t, err, dlq.ErrNotFound)
}

func TestManagerRetryMovesOnce(t *testing.T) {
	t.Parallel()
	m, f := filled(t, 3)
	var moved, refused atomic.Int64
	var group sync.WaitGroup
	for range 100 {
		group.Go(func() {
			entry, err := m.Retry(t.Context(), "events", 2)
			if err == nil && entry.ID == 2 {
				moved.Add(1)
			} else if assert.ErrorIs(t, err, dlq.ErrNotFound) {
				refused.Add(1)
			}
		})
	}
	group.Wait()
	assert.Equal(t, int64(1), moved.Load())
	assert.Equal(t, int64(99), refused.Load())
	assert.Len(t, f.all(), 2)
}

func TestManagerRetryOldest(t *testing.T) {
	t.Parallel()
	m, _ := filled(t, 2)
	for want := int64(1); want <= 2; want++ {
		entry, err := m.RetryOldest(t.Context(), "events")
		require.NoError(t, err)
		assert.Equal(t, want, entry.ID)
	}
	_, err := m.RetryOldest(t.Context(), "events")
	require.ErrorIs(t, err, dlq.ErrNotFound)
}

func TestManagerErase(t *testing.T) {
	t.Parallel()
	m, f := filled(t, 2500)
	_, err := m.Erase(t.Context(), "events", dlq.Filter{}, 2499)
	var count *dlq.CountError
	require.ErrorAs(t, err, &count)
	assert.Equal(t, int64(2500), count.Present)
	assert.Empty(t, f.erases)

	f.onErase = func() { f.add(dlq.Entry{Queue: "events"}) }
	erased, err := m.Erase(t.Context(), "events", dlq.Filter{}, 2500)
	require.NoError(t, err)
	assert.Equal(t, int64(2500), erased)
	for _, p := range f.erases {
		assert.Equal(t, dlq.EraseParams{Queue: "events", Selection: dlq.Selection{UpTo: 2500, Limit: 1000}}, p)
	}
	for _, e := range f.all() {
		assert.Greater(t, e.ID, int64(2500), "what came in meanwhile stays")
	}
	assert.NotEmpty(t, f.all())
}

func TestManagerEraseSaysWhatIsGone(t *testing.T) {
	t.Parallel()
	m, f := filled(t, 1500)
	f.onErase = func() { f.away = true }
	erased, err := m.Erase(t.Context(), "events", dlq.Filter{}, 1500)
	require.ErrorIs(t, err, errAway)
	assert.Equal(t, int64(1000), erased)

	m, f = filled(t, 0)
	erased, err = m.Erase(t.Context(), "events", dlq.Filter{}, 0)
	require.NoError(t, err)
	assert.Zero(t, erased)
	assert.Empty(t, f.erases)
}

func TestManagerMoves(t *testing.T) {
	t.Parallel()
	m, f := filled(t, 5)
	total, upTo, err := m.Bound(t.Context(), "events", "")
	require.NoError(t, err)
	assert.Equal(t, []int64{5, 5}, []int64{total, upTo})
	moved, err := m.Move(t.Context(), retry.Batch{Queue: "events", UpTo: 3, Limit: 1000, Job: "job"})
	require.NoError(t, err)
	assert.Equal(t, retry.Moved{Count: 3}, moved)
	assert.Equal(t, []dlq.RedriveParams{{Queue: "events", Selection: dlq.Selection{UpTo: 3, Limit: 1000}, Job: "job"}}, f.redrives)
}

func TestManagerWrapsErrors(t *testing.T) {
	t.Parallel()
	m, f := filled(t, 1)
	f.away = true
	ctx := t.Context()
	calls := map[string]func() error{
		"list events":                  func() error { _, err := m.List(ctx, "events", dlq.Query{}); return err },
		"count in events":              func() error { _, _, err := m.Count(ctx, "events", dlq.Filter{}); return err },
		"stat events":                  func() error { _, err := m.Stat(ctx, "events"); return err },
		"get entry 7 of events":        func() error { _, err := m.Get(ctx, "events", 7); return err },
		"retry entry 7 of events":      func() error { _, err := m.Retry(ctx, "events", 7); return err },
		"retry oldest entry of events": func() error { _, err := m.RetryOldest(ctx, "events"); return err },
		"move up to 9 of events": func() error {
			_, err := m.Move(ctx, retry.Batch{Queue: "events", Limit: 9})
			return err
		},
	}
	for operation, call := range calls {
		err := call()
		require.ErrorIs(t, err, errAway)
		require.ErrorContains(t, err, "dlq: "+operation)
	}
	_, err := m.Stat(ctx, "")
	require.ErrorContains(t, err, "no queue named")
	_, err = m.List(ctx, "", dlq.Query{})
	require.ErrorContains(t, err, "no queue named")
	_, _, err = m.Count(ctx, "", dlq.Filter{})
	require.ErrorContains(t, err, "no queue named")
}

func TestManagerLogsNoPayload(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	f := &fake{}
	m := dlq.NewManager(f, slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, f.Add(t.Context(), dlq.Entry{Queue: "events", CorrelationID: "corr", Payload: []byte("secret")}))
	_, err := m.Retry(t.Context(), "events", 1)
	require.NoError(t, err)
	assert.Contains(t, log.String(), "queue=events id=1 correlation_id=corr")
	f.fill(t, 1)
	_, err = m.Erase(t.Context(), "events", dlq.Filter{}, 1)
	require.NoError(t, err)
	assert.Contains(t, log.String(), "erased=1")
	assert.NotContains(t, log.String(), "secret")
}
