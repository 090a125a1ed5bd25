package backendtest

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/dlq"
)

// otherQueue is the DLQ that cases transfer entries to.
const otherQueue = "kept:" + deadQueue

var transferCases = []testCase{
	{"from one DLQ to another and back", transferBack},
	{"of some that are named", transferNamed},
	{"onto another entry of the same message", transferTwin},
	{"from many callers at once", transferConcurrent},
	{"leads somewhere", transferNowhere},
}

func (f *fixture) transfer(t *testing.T, from, to string, which dlq.Selection) int64 {
	t.Helper()
	moved, err := f.DeadLetters.Transfer(t.Context(), dlq.TransferParams{From: from, To: to, Selection: which})
	require.NoError(t, err)
	return moved
}

// sameBut are entries as they were, with the ids, times and DLQ that others of them have.
func sameBut(entries, others []dlq.Entry) []dlq.Entry {
	same := append([]dlq.Entry{}, entries...)
	for i := range min(len(entries), len(others)) {
		same[i].ID, same[i].CreatedAt, same[i].Queue = others[i].ID, others[i].CreatedAt, others[i].Queue
	}
	return same
}

func transferBack(t *testing.T, f *fixture) {
	entries := f.buryCauses(t, 7)
	assert.EqualValues(t, 5, f.transfer(t, deadQueue, otherQueue, dlq.Selection{UpTo: entries[6].ID, Limit: 5}))
	assert.Equal(t, entries[5:], f.list(t, deadQueue))
	there := f.list(t, otherQueue)
	assert.Equal(t, sameBut(entries[:5], there), there)
	for _, e := range there {
		assert.Equal(t, otherQueue, e.Queue)
		assert.False(t, e.CreatedAt.Before(entries[6].CreatedAt))
	}
	assert.EqualValues(t, 5, f.stat(t, otherQueue).Count)
	assert.EqualValues(t, 2, f.stat(t, deadQueue).Count)
	groups, err := f.DeadLetters.Groups(t.Context(), otherQueue, 10)
	require.NoError(t, err)
	assert.EqualValues(t, []int64{3, 2}, []int64{groups[0].Count, groups[1].Count})
	assert.Equal(t, "host <address> refused", groups[0].Message)
	assert.Equal(t, there[0], groups[0].Sample)
	assert.Len(t, f.groups(t), 2)

	assert.EqualValues(t, 5, f.transfer(t, otherQueue, deadQueue, dlq.Selection{UpTo: 1 << 40, Limit: 100}))
	assert.Zero(t, f.transfer(t, otherQueue, deadQueue, dlq.Selection{UpTo: 1 << 40, Limit: 100}))
	back := f.list(t, deadQueue)
	assert.Equal(t, sameBut(append(entries[5:], entries[:5]...), back), back)
	assert.Empty(t, f.list(t, otherQueue))
	assert.Equal(t, dlq.Stats{Queue: otherQueue}, f.stat(t, otherQueue))
	groups = f.groups(t)
	assert.EqualValues(t, []int64{4, 3}, []int64{groups[0].Count, groups[1].Count})

	redriven, err := f.DeadLetters.Redrive(t.Context(),
		dlq.RedriveParams{Queue: deadQueue, Selection: dlq.Selection{UpTo: back[6].ID, Limit: 100}})
	require.NoError(t, err)
	assert.EqualValues(t, 7, redriven.Moved)
}

func transferNamed(t *testing.T, f *fixture) {
	entries := f.buryCauses(t, 9)
	ids := idsOf(entries)
	assert.EqualValues(t, 4, f.transfer(t, deadQueue, otherQueue, dlq.Selection{IDs: []int64{ids[7], ids[0], ids[1], ids[4], 1 << 40}}))
	there := f.list(t, otherQueue)
	want := sameBut([]dlq.Entry{entries[0], entries[1], entries[4], entries[7]}, there)
	assert.ElementsMatch(t, messageIDs(want), messageIDs(there))
	assert.Zero(t, f.transfer(t, deadQueue, otherQueue, dlq.Selection{IDs: []int64{ids[7]}}))
	assert.EqualValues(t, 1, f.transfer(t, otherQueue, deadQueue, dlq.Selection{IDs: []int64{there[2].ID}}))
	assert.Equal(t, there[2].MessageID, f.list(t, deadQueue)[5].MessageID, "what comes back is the newest")
	assert.EqualValues(t, 6, f.stat(t, deadQueue).Count)
	assert.EqualValues(t, 3, f.stat(t, otherQueue).Count)
}

func messageIDs(entries []dlq.Entry) (ids []string) {
	for _, e := range entries {
		ids = append(ids, e.MessageID)
	}
	return ids
}

func transferTwin(t *testing.T, f *fixture) {
	older := f.bury(t, otherQueue, "m-1")
	f.bury(t, otherQueue, "m-2")
	newer := entry(deadQueue, "m-1")
	newer.Failure.Message = "another cause"
	require.NoError(t, f.DeadLetters.Add(t.Context(), newer))
	assert.EqualValues(t, 1, f.transfer(t, deadQueue, otherQueue, dlq.Selection{UpTo: 1 << 40, Limit: 10}))
	there := f.list(t, otherQueue)
	require.Equal(t, []string{"m-2", "m-1"}, messageIDs(there))
	assert.Equal(t, "another cause", there[1].Failure.Message)
	assert.NotEqual(t, older.ID, there[1].ID)
	assert.EqualValues(t, 2, f.stat(t, otherQueue).Count)
	groups, err := f.DeadLetters.Groups(t.Context(), otherQueue, 10)
	require.NoError(t, err)
	assert.Len(t, groups, 2)
}

// Each entry is moved by one of them, in either direction, and none is lost.
func transferConcurrent(t *testing.T, f *fixture) {
	const n = 60
	f.buryCauses(t, n)
	var moved atomic.Int64
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			p := dlq.TransferParams{From: deadQueue, To: otherQueue, Selection: dlq.Selection{UpTo: 1 << 40, Limit: 7}}
			if i%4 == 3 {
				p.From, p.To = p.To, p.From
			}
			for range 5 {
				some, err := f.DeadLetters.Transfer(t.Context(), p)
				assert.NoError(t, err)
				moved.Add(some)
			}
		})
	}
	group.Wait()
	here, there := f.list(t, deadQueue), f.list(t, otherQueue)
	assert.Len(t, append(messageIDs(here), messageIDs(there)...), n)
	assert.EqualValues(t, n, f.stat(t, deadQueue).Count+f.stat(t, otherQueue).Count)
	assert.GreaterOrEqual(t, moved.Load(), int64(len(there)))
}

func transferNowhere(t *testing.T, f *fixture) {
	f.bury(t, deadQueue, "m-1")
	_, err := f.DeadLetters.Transfer(t.Context(),
		dlq.TransferParams{From: deadQueue, To: deadQueue, Selection: dlq.Selection{UpTo: 1 << 40, Limit: 1}})
	require.Error(t, err)
	assert.Len(t, f.list(t, deadQueue), 1)
}
