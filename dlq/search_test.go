package dlq_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/dlq"
)

// filledLarge is a DLQ of n entries with payloads of so many bytes, of which every hundredth failed for a rare cause.
func filledLarge(n, size int) (*dlq.Manager, *fake) {
	f := &fake{}
	for i := range n {
		message := "common"
		if i%100 == 99 {
			message = "rare"
		}
		f.add(dlq.Entry{
			Queue: "events", MessageID: fmt.Sprint(i), Payload: make([]byte, size), Metadata: map[string]string{"k": "v"},
			Failure: dlq.Failure{Message: message, Stack: "stack"}, Redrives: i % 3,
		})
	}
	return dlq.NewManager(f, quiet), f
}

// A search reads whole what it hands out, and of the rest only what the filter is about.
func TestSearchReadsNoPayloadInVain(t *testing.T) {
	t.Parallel()
	const size = 1000
	m, f := filledLarge(3000, size)
	page, err := m.List(t.Context(), "events", dlq.Query{Filter: dlq.Filter{Error: "rare"}})
	require.NoError(t, err)
	require.Len(t, page.Entries, 30)
	assert.Equal(t, f.all()[99], page.Entries[0], "whole")
	assert.Equal(t, 30*size, f.read)
	f.read = 0
	two := 2
	for _, filter := range []dlq.Filter{{Error: "rare"}, {MinRedrives: &two}, {Job: "none"}} {
		_, _, err = m.Count(t.Context(), "events", filter)
		require.NoError(t, err)
	}
	_, err = m.Erase(t.Context(), "events", dlq.Filter{Error: "rare"}, 30)
	require.NoError(t, err)
	assert.Zero(t, f.read)
	_, _, err = m.Count(t.Context(), "events", dlq.Filter{Text: "rare"})
	require.NoError(t, err)
	assert.InDelta(t, 2970*size, f.read, 30*size, "each once, but for one that tells whether there are more")
}

// A page ends after so many bytes, whether they are searched or shown, and the next one goes on where it ended.
func TestSearchIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	const size = 100_000
	m, f := filledLarge(500, size)
	for name, filter := range map[string]dlq.Filter{"shown": {}, "searched": {Text: "common"}, "looked up": {UpTo: 400}, "rare": {Error: "m"}} {
		seen := map[int64]bool{}
		query := dlq.Query{Filter: filter, Limit: 1000}
		for done := false; !done; done = query.Cursor == "" {
			f.read = 0
			page, err := m.List(t.Context(), "events", query)
			require.NoError(t, err)
			assert.Less(t, f.read, 15_000_000, name)
			assert.Equal(t, page.NextCursor == "", page.Complete, name)
			for _, e := range page.Entries {
				assert.False(t, seen[e.ID], name)
				seen[e.ID] = true
			}
			query.Cursor = page.NextCursor
		}
		want := map[string]int{"shown": 500, "searched": 495, "looked up": 400, "rare": 495}
		assert.Len(t, seen, want[name], name)
	}
}

// A page ends after some time, says so, and has looked at something.
func TestSearchIsBoundedInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, f := filledLarge(9000, 1)
		f.onList = func() { time.Sleep(60 * time.Millisecond) }
		began := time.Now()
		page, err := m.List(t.Context(), "events", dlq.Query{Filter: dlq.Filter{Error: "none"}})
		require.NoError(t, err)
		assert.Equal(t, 180*time.Millisecond, time.Since(began))
		assert.False(t, page.Complete)
		assert.False(t, page.Counted)
		f.onList = func() { time.Sleep(time.Second) }
		next, err := m.List(t.Context(), "events", dlq.Query{Filter: dlq.Filter{Error: "none"}, Cursor: page.NextCursor})
		require.NoError(t, err)
		assert.NotEqual(t, page.NextCursor, next.NextCursor, "it goes on all the same")
	})
}

// Only so many searches read at once, a count lets them in between, and whoever waits can go away.
func TestSearchesTakeTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, f := filledLarge(2500, 1)
		var mu sync.Mutex
		var running, most int
		f.onList = func() {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			running--
			mu.Unlock()
		}
		var group sync.WaitGroup
		for range 20 {
			group.Go(func() {
				_, err := m.List(t.Context(), "events", dlq.Query{Filter: dlq.Filter{Error: "none"}})
				assert.NoError(t, err)
				_, _, err = m.Count(t.Context(), "events", dlq.Filter{Error: "none"})
				assert.NoError(t, err)
			})
		}
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		synctest.Wait()
		_, err := m.List(ctx, "events", dlq.Query{})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		group.Wait()
		assert.Equal(t, 4, most)
	})
}

// The number on a page is that of the filter, where it is known.
func TestPageTotals(t *testing.T) {
	t.Parallel()
	m, _ := filledLarge(12_000, 1)
	two := 2
	for name, c := range map[string]struct {
		filter  dlq.Filter
		total   int64
		counted bool
	}{
		"many":          {dlq.Filter{UpTo: 11_000}, 0, false},
		"looked up":     {dlq.Filter{UpTo: 9000}, 9000, true},
		"a cause":       {dlq.Filter{Signature: dlq.Failure{Message: "rare"}.Signature()}, 120, true},
		"named":         {dlq.Filter{IDs: dlq.IDs{3, 1 << 40}}, 1, true},
		"not on a page": {dlq.Filter{Error: "rare"}, 0, false},
		"read":          {dlq.Filter{MaxRedrives: &two}, 0, false},
		"on one page":   {dlq.Filter{Error: "rare", UpTo: 1000}, 10, true},
		"nothing":       {dlq.Filter{Error: "none", UpTo: 1000}, 0, true},
	} {
		page, err := m.List(t.Context(), "events", dlq.Query{Filter: c.filter})
		require.NoError(t, err, name)
		assert.Equal(t, c.counted, page.Counted, name)
		if c.counted {
			assert.Equal(t, c.total, page.Total, name)
		}
	}
}

// A count comes with the id that bounds it, and a filter with that id means the very entries that were counted: where one left and
// another came in, the number tells.
func TestEraseOfWhatWasShown(t *testing.T) {
	t.Parallel()
	for name, filter := range map[string]dlq.Filter{"all": {}, "found": {Error: "common"}} {
		m, f := filledLarge(90, 1) // all are common
		count, upTo, err := m.Count(t.Context(), "events", filter)
		require.NoError(t, err, name)
		assert.Equal(t, []int64{90, 90}, []int64{count, upTo}, name)
		filter.UpTo = upTo
		_, err = m.RetryOldest(t.Context(), "events")
		require.NoError(t, err)
		f.add(dlq.Entry{Queue: "events", Failure: dlq.Failure{Message: "common"}})
		var differs *dlq.CountError
		_, err = m.Erase(t.Context(), "events", filter, count)
		require.ErrorAs(t, err, &differs, name)
		assert.Equal(t, dlq.CountError{Confirmed: count, Present: count - 1, UpTo: upTo}, *differs, name)

		f.onErase = func() { f.add(dlq.Entry{Queue: "events", Failure: dlq.Failure{Message: "common"}}) } // they stream in
		erased, err := m.Erase(t.Context(), "events", filter, count-1)
		require.NoError(t, err, name)
		assert.Equal(t, count-1, erased, name)
		for _, e := range f.all() {
			assert.Greater(t, e.ID, upTo, name)
		}
		assert.NotEmpty(t, f.all(), name)
	}
}

// What cannot be in any entry, or not be looked for in every store, is refused before a store is asked.
func TestFilterRefusesWhatIsNoText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"a\x00b", "\xff", "cut off \xc3"} {
		for name, filter := range map[string]dlq.Filter{
			"correlation_id": {CorrelationID: text}, "signature": {Signature: text}, "error": {Error: text}, "q": {Text: text},
			"action": {Action: text}, "job": {Job: text}, "path": {Attributes: map[string]string{text: "v"}},
			"value": {Attributes: map[string]string{"p": text}},
		} {
			require.ErrorContains(t, filter.Validate(), name+" must be UTF-8 without NUL")
			_, err := dlq.NewManager(&fake{away: true}, quiet).List(t.Context(), "events", dlq.Query{Filter: filter})
			assert.True(t, errors.Is(err, dlq.ErrBadFilter) && !errors.Is(err, errAway))
		}
	}
}
