package dlq_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/dlq"
)

// What is discarded is listed, and comes back, in part or whole.
func TestManagerDiscard(t *testing.T) {
	t.Parallel()
	m, f := filled(t, 2_499)
	f.add(dlq.Entry{Queue: "events", CorrelationID: "x"})
	_, err := m.Discard(t.Context(), "events", dlq.Filter{}, 1)
	var count *dlq.CountError
	require.ErrorAs(t, err, &count)
	discarded, err := m.Discard(t.Context(), "events", dlq.Filter{}, 2_500)
	require.NoError(t, err)
	assert.EqualValues(t, 2_500, discarded)
	page, err := m.List(t.Context(), "events", dlq.Query{})
	require.NoError(t, err)
	assert.Empty(t, page.Entries)

	page, err = m.Erased(t.Context(), "events", dlq.Query{Limit: 10})
	require.NoError(t, err)
	assert.Len(t, page.Entries, 10)
	assert.EqualValues(t, 2_500, page.Total)
	assert.Equal(t, "events", page.Entries[0].Queue)
	restored, err := m.Restore(t.Context(), "events", dlq.Filter{CorrelationID: "x"})
	require.NoError(t, err)
	assert.EqualValues(t, 1, restored)
	restored, err = m.Restore(t.Context(), "events", dlq.Filter{})
	require.NoError(t, err)
	assert.EqualValues(t, 2_499, restored)
	assert.Len(t, f.all(), 2_500)
	for _, e := range f.all() {
		assert.Equal(t, "events", e.Queue)
	}
}

// What was discarded long enough ago is gone for good.
func TestManagerPurge(t *testing.T) {
	t.Parallel()
	m, f := filled(t, 0)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 3_000 {
		f.add(dlq.Entry{Queue: "erased:events", CreatedAt: start.Add(time.Duration(i) * time.Second)})
	}
	f.add(dlq.Entry{Queue: "events", CreatedAt: start})
	purged, err := m.Purge(t.Context(), "events", start.Add(2_000*time.Second))
	require.NoError(t, err)
	assert.EqualValues(t, 2_000, purged)
	assert.Len(t, f.all(), 1_001)
	purged, err = m.Purge(t.Context(), "callbacks", start.Add(time.Hour))
	require.NoError(t, err)
	assert.Zero(t, purged)
	f.add(dlq.Entry{Queue: "edited:events", CreatedAt: start})
	for _, want := range []int64{1, 0} {
		purged, err = m.PurgeEdited(t.Context(), "events", start.Add(time.Second))
		require.NoError(t, err)
		assert.Equal(t, want, purged)
	}
	assert.Len(t, f.all(), 1_001)
}
