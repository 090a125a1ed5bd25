package backendtest

import (
	"errors"
	"iter"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

// deadQueue is the DLQ of cases that need one.
const deadQueue = asyncevents.EventsQueue

var deadLetterCases = []testCase{
	{"an empty DLQ", deadEmpty},
	{"an entry comes back as it was added", deadWhole},
	{"any payload and metadata", deadOdd},
	{"what is stored is a copy", deadCopies},
	{"adding is idempotent by message id", deadIdempotent},
	{"adding removes the delivered message", deadSettles},
	{"DLQs are apart", deadApart},
	{"list bounds", deadBounds},
	{"paging while entries come and go", deadPaging},
	{"erase up to a bound while entries come in", deadErase},
	{"snapshot while entries come and go", deadSnapshot},
	{"snapshot returns what read returns", deadSnapshotError},
	{"marking as exported", deadExported},
}

func deadEmpty(t *testing.T, f *fixture) {
	assert.Equal(t, dlq.Stats{Queue: "never used"}, f.stat(t, "never used"))
	assert.Empty(t, f.list(t, "never used"))
	erased, err := f.DeadLetters.Erase(t.Context(), dlq.EraseParams{Queue: "never used", Selection: dlq.Selection{UpTo: 1 << 60, Limit: 10}})
	require.NoError(t, err)
	assert.Zero(t, erased)
	redriven, err := f.DeadLetters.Redrive(t.Context(), dlq.RedriveParams{Queue: "never used", Selection: dlq.Selection{UpTo: 1 << 60, Limit: 10}})
	require.NoError(t, err)
	assert.Equal(t, dlq.Redriven{}, redriven)
	require.NoError(t, f.DeadLetters.MarkExported(t.Context(), "never used", 5))
}

func deadWhole(t *testing.T, f *fixture) {
	want := entry(deadQueue, "m-1")
	want.CorrelationID = "e-1"
	want.AcceptedAt = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	want.Failure.Stack = "goroutine 1 [running]"
	want.Redrives = 2
	want.Job = "0197f2a4-5f5e-7c1c-8a6b-0a1b2c3d4e5f"
	want.Attempts = retry.History{attempt(1, "first"), attempt(2, "boom")}
	want.Attempts[1].ResponseStatus, want.Attempts[1].ResponseBody = 503, "later"
	ignored := want
	ignored.ID, ignored.Exported, ignored.CreatedAt = 99, true, time.Unix(0, 0)
	require.NoError(t, f.DeadLetters.Add(t.Context(), ignored))

	entries := f.list(t, deadQueue)
	require.Len(t, entries, 1)
	got := entries[0]
	assert.Positive(t, got.ID)
	assert.WithinDuration(t, time.Now(), got.CreatedAt, time.Minute)
	assert.Equal(t, dlq.Stats{Queue: deadQueue, Count: 1, Newest: got.ID, OldestAt: got.CreatedAt}, f.stat(t, deadQueue))
	assert.WithinDuration(t, want.AcceptedAt, got.AcceptedAt, 0)
	want.ID, want.CreatedAt, want.AcceptedAt = got.ID, got.CreatedAt, got.AcceptedAt
	assert.Equal(t, want, got)
}

func deadOdd(t *testing.T, f *fixture) {
	for name, payload := range odd() {
		e := entry(deadQueue, name)
		e.Payload, e.Metadata = payload, oddMetadata()
		require.NoError(t, f.DeadLetters.Add(t.Context(), e))
	}
	entries := f.list(t, deadQueue)
	require.Len(t, entries, len(odd()))
	for _, e := range entries {
		assert.Equal(t, string(odd()[e.MessageID]), string(e.Payload), e.MessageID)
		assert.Equal(t, map[string]string(oddMetadata()), e.Metadata)
	}
	_, err := f.DeadLetters.Redrive(t.Context(), dlq.RedriveParams{Queue: deadQueue, Selection: dlq.Selection{IDs: idsOf(entries)}})
	require.NoError(t, err)
	messages := f.consume(t, topic, quick())
	for range entries {
		msg := receive(t, messages)
		assert.Equal(t, string(odd()[msg.UUID]), string(msg.Payload), msg.UUID)
		for k, v := range oddMetadata() {
			assert.Equal(t, v, msg.Metadata.Get(k), k)
		}
		msg.Ack()
	}
}

func deadCopies(t *testing.T, f *fixture) {
	e := entry(deadQueue, "m-1")
	require.NoError(t, f.DeadLetters.Add(t.Context(), e))
	want := entry(deadQueue, "m-1")
	for range 2 {
		got := f.list(t, deadQueue)[0]
		assert.Equal(t, string(want.Payload), string(got.Payload))
		assert.Equal(t, want.Metadata, got.Metadata)
		assert.Equal(t, want.Attempts, got.Attempts)
		for _, mine := range []dlq.Entry{e, got} {
			mine.Payload[0] = 'X'
			mine.Metadata["colour"] = "changed"
			mine.Attempts[0].Error = "changed"
		}
	}
}

func deadIdempotent(t *testing.T, f *fixture) {
	first := f.bury(t, deadQueue, "m-1")
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			e := entry(deadQueue, "m-1")
			e.Failure.Message = "another"
			assert.NoError(t, f.DeadLetters.Add(t.Context(), e))
		})
	}
	group.Wait()
	assert.Equal(t, []dlq.Entry{first}, f.list(t, deadQueue))
}

func deadSettles(t *testing.T, f *fixture) {
	msg := f.deliver(t, "e-1")
	dead := entryOf(msg, deadQueue, "boom")
	require.NoError(t, f.DeadLetters.Add(settling(msg), dead))
	f.requireEmpty(t, topic) // not acknowledged yet
	assert.EqualValues(t, 1, f.stat(t, deadQueue).Count)
	msg.Nack() // does nothing: it is settled
	f.requireEmpty(t, topic)

	require.NoError(t, f.Publisher.Publish(topic, newMessage("x")))
	require.NoError(t, f.DeadLetters.Add(t.Context(), entry(deadQueue, "other")))
	f.requireBacklog(t, topic, asyncevents.Backlog{InFlight: 1})
}

func deadApart(t *testing.T, f *fixture) {
	one, other := f.bury(t, "one", "m-1"), f.bury(t, "other", "m-1")
	assert.Equal(t, []dlq.Entry{one}, f.list(t, "one"))
	assert.Equal(t, []dlq.Entry{other}, f.list(t, "other"))
	for _, ids := range [][]int64{{other.ID + 1000}, {}} {
		redriven, err := f.DeadLetters.Redrive(t.Context(), dlq.RedriveParams{Queue: "one", Selection: dlq.Selection{IDs: ids, Limit: 1}})
		require.NoError(t, err)
		assert.Zero(t, redriven.Moved)
	}
	require.NoError(t, f.DeadLetters.MarkExported(t.Context(), "one", one.ID))
	assert.True(t, f.list(t, "one")[0].Exported)
	assert.False(t, f.list(t, "other")[0].Exported)
	erased, err := f.DeadLetters.Erase(t.Context(), dlq.EraseParams{Queue: "one", Selection: dlq.Selection{UpTo: one.ID + other.ID, Limit: 10}})
	require.NoError(t, err)
	assert.EqualValues(t, 1, erased)
	assert.Equal(t, []dlq.Entry{other}, f.list(t, "other"))
}

func deadBounds(t *testing.T, f *fixture) {
	ids := f.buryMany(t, deadQueue, 10)
	require.Len(t, ids, 10)
	assert.IsIncreasing(t, ids)
	for name, c := range map[string]struct {
		params dlq.ListParams
		want   []int64
	}{
		"limit":          {dlq.ListParams{Limit: 3}, ids[:3]},
		"after":          {dlq.ListParams{After: ids[6], Limit: 100}, ids[7:]},
		"after the last": {dlq.ListParams{After: ids[9], Limit: 100}, ids[:0]},
		"up to":          {dlq.ListParams{UpTo: ids[1], Limit: 100}, ids[:2]},
		"between":        {dlq.ListParams{After: ids[1], UpTo: ids[4], Limit: 100}, ids[2:5]},
		"one":            {dlq.ListParams{IDs: ids[4:5], Limit: 1}, ids[4:5]},
		"some":           {dlq.ListParams{IDs: []int64{ids[1], ids[4], ids[5], ids[9] + 100}, Limit: 100}, []int64{ids[1], ids[4], ids[5]}},
		"some, a page":   {dlq.ListParams{IDs: []int64{ids[1], ids[4], ids[5]}, Limit: 2}, []int64{ids[1], ids[4]}},
		"some, after":    {dlq.ListParams{IDs: []int64{ids[1], ids[4], ids[8]}, After: ids[1], UpTo: ids[7], Limit: 100}, ids[4:5]},
		"unknown":        {dlq.ListParams{IDs: []int64{ids[9] + 100}, Limit: 1}, ids[:0]},
	} {
		c.params.Queue = deadQueue
		entries, err := f.DeadLetters.List(t.Context(), c.params)
		require.NoError(t, err, name)
		assert.Equal(t, c.want, idsOf(entries), name)
	}
}

func deadPaging(t *testing.T, f *fixture) {
	ids := f.buryMany(t, deadQueue, 60)
	var stay, seen []int64
	for i, id := range ids {
		if i%3 != 0 {
			stay = append(stay, id)
		}
	}
	for after := int64(0); after < ids[len(ids)-1]; {
		page, err := f.DeadLetters.List(t.Context(), dlq.ListParams{Queue: deadQueue, After: after, Limit: 7})
		require.NoError(t, err)
		require.NotEmpty(t, page)
		seen = append(seen, idsOf(page)...)
		after = seen[len(seen)-1]
		goes := ids[len(seen)%20*3]
		_, err = f.DeadLetters.Redrive(t.Context(), dlq.RedriveParams{Queue: deadQueue, Selection: dlq.Selection{IDs: []int64{goes}}})
		require.NoError(t, err)
		f.bury(t, deadQueue, "new "+strconv.Itoa(len(seen)))
	}
	assert.IsIncreasing(t, seen, "none twice")
	for _, id := range stay {
		assert.Contains(t, seen, id, "none skipped")
	}
}

func deadErase(t *testing.T, f *fixture) {
	f.buryMany(t, deadQueue, 100)
	bound := f.stat(t, deadQueue).Newest
	const late = 50
	var adding sync.WaitGroup
	adding.Go(func() {
		for i := range late {
			assert.NoError(t, f.DeadLetters.Add(t.Context(), entry(deadQueue, "late "+strconv.Itoa(i))))
		}
	})
	var total int64
	for {
		erased, err := f.DeadLetters.Erase(t.Context(), dlq.EraseParams{Queue: deadQueue, Selection: dlq.Selection{UpTo: bound, Limit: 7}})
		require.NoError(t, err)
		assert.LessOrEqual(t, erased, int64(7))
		total += erased
		if erased < 7 {
			break
		}
	}
	adding.Wait()
	assert.EqualValues(t, 100, total)
	left := f.list(t, deadQueue)
	require.Len(t, left, late)
	for _, e := range left {
		assert.Greater(t, e.ID, bound)
	}
	f.requireEmpty(t, topic)
}

func deadSnapshot(t *testing.T, f *fixture) {
	ids := f.buryMany(t, deadQueue, 50)
	var got []int64
	err := f.DeadLetters.Snapshot(t.Context(), deadQueue, func(stats dlq.Stats, entries iter.Seq2[dlq.Entry, error]) error {
		assert.EqualValues(t, len(ids), stats.Count)
		assert.Equal(t, ids[len(ids)-1], stats.Newest)
		for e, err := range entries {
			if err != nil {
				return err
			}
			if len(got) == 5 {
				f.disturb(t, ids)
			}
			assert.Equal(t, `{"id":"`+e.MessageID+`"}`, string(e.Payload))
			got = append(got, e.ID)
		}
		return nil
	})
	require.NoError(t, err)
	assert.Equal(t, ids, got)
	assert.EqualValues(t, 50-10-20+15, f.stat(t, deadQueue).Count)
}

// disturb erases the oldest 10 of 50 entries, moves 20 others and adds 15.
func (f *fixture) disturb(t *testing.T, ids []int64) {
	t.Helper()
	_, err := f.DeadLetters.Erase(t.Context(), dlq.EraseParams{Queue: deadQueue, Selection: dlq.Selection{UpTo: ids[9], Limit: 100}})
	require.NoError(t, err)
	_, err = f.DeadLetters.Redrive(t.Context(), dlq.RedriveParams{Queue: deadQueue, Selection: dlq.Selection{IDs: ids[30:]}})
	require.NoError(t, err)
	f.buryMany(t, deadQueue, 15)
}

func deadSnapshotError(t *testing.T, f *fixture) {
	boom := errors.New("boom")
	f.buryMany(t, deadQueue, 10)
	err := f.DeadLetters.Snapshot(t.Context(), deadQueue, func(_ dlq.Stats, entries iter.Seq2[dlq.Entry, error]) error {
		for range entries {
			return boom // in the middle
		}
		return nil
	})
	require.ErrorIs(t, err, boom)
	err = f.DeadLetters.Snapshot(t.Context(), "never used", func(s dlq.Stats, entries iter.Seq2[dlq.Entry, error]) error {
		assert.Equal(t, dlq.Stats{Queue: "never used"}, s)
		for range entries {
			assert.Fail(t, "there is no entry")
		}
		return nil
	})
	require.NoError(t, err)
	assert.Len(t, f.buryMany(t, deadQueue, 1), 11, "the store works on")
}

func deadExported(t *testing.T, f *fixture) {
	messages := f.consume(t, topic, quick())
	fail := func(id string) {
		msg := receive(t, messages)
		require.Equal(t, id, msg.UUID)
		dead := entryOf(msg, deadQueue, "boom")
		require.NoError(t, f.Events.Settle(settling(msg), asyncevents.Settlement{
			CorrelationID: id, Queue: asyncevents.EventsQueue,
			Status: asyncevents.StatusFailed, Attempts: 5, DeadLetter: &dead,
		}))
		msg.Ack()
	}
	f.accept(t, "e-1", "{}")
	fail("e-1")
	upTo := f.stat(t, deadQueue).Newest
	f.accept(t, "e-2", "{}")
	fail("e-2")
	require.NoError(t, f.DeadLetters.MarkExported(t.Context(), deadQueue, upTo))
	require.NoError(t, f.DeadLetters.MarkExported(t.Context(), deadQueue, upTo-1), "an earlier export takes nothing back")

	exported := func() (flags []bool) {
		for _, e := range f.list(t, deadQueue) {
			flags = append(flags, e.Exported)
		}
		return flags
	}
	assert.Equal(t, []bool{true, false}, exported())
	assert.Equal(t, asyncevents.StatusExported, f.status(t, "e-1"))
	assert.Equal(t, asyncevents.StatusFailed, f.status(t, "e-2"))

	_, err := f.DeadLetters.Redrive(t.Context(), dlq.RedriveParams{Queue: deadQueue, Selection: dlq.Selection{IDs: []int64{upTo}}})
	require.NoError(t, err)
	assert.Equal(t, asyncevents.StatusRetried, f.status(t, "e-1"))
	fail("e-1")
	assert.Equal(t, asyncevents.StatusFailed, f.status(t, "e-1"), "this entry is a new one")
	assert.False(t, slices.Contains(exported(), true))
}
