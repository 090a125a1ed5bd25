package backendtest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/dlq"
)

var findingCases = []testCase{
	{"entries by event, cause and time", findLookups},
	{"erase and redrive what is named", findNamed},
	{"groups by cause", findGroups},
	{"groups of what was added twice", findGroupsOnce},
	{"times grow with ids", findMonotone},
}

// buryCauses puts n entries into the DLQ, of two causes in turns, and of as many events.
func (f *fixture) buryCauses(t *testing.T, n int) []dlq.Entry {
	t.Helper()
	for i := range n {
		e := entry(deadQueue, fmt.Sprintf("m-%d", i))
		e.CorrelationID = fmt.Sprintf("e-%d", i/3)
		e.Failure.Message = fmt.Sprintf([]string{"host 10.0.0.%d refused", "account %d is closed"}[i%2], i)
		require.NoError(t, f.DeadLetters.Add(t.Context(), e))
	}
	return f.list(t, deadQueue)
}

func findLookups(t *testing.T, f *fixture) {
	entries := f.buryCauses(t, 12)
	f.bury(t, "other", "m-1")
	cause := entries[0].Failure.Signature()
	find := func(p dlq.ListParams) []dlq.Entry {
		p.Queue = deadQueue
		if p.Limit == 0 {
			p.Limit = 100
		}
		found, err := f.DeadLetters.List(t.Context(), p)
		require.NoError(t, err)
		return found
	}
	assert.Equal(t, entries[3:6], find(dlq.ListParams{CorrelationID: "e-1"}))
	assert.Equal(t, entries[4:5], find(dlq.ListParams{CorrelationID: "e-1", Signature: cause}))
	assert.Empty(t, find(dlq.ListParams{CorrelationID: "e-"}))
	assert.Equal(t, entries[4:5], find(dlq.ListParams{Signature: cause, IDs: []int64{entries[3].ID, entries[4].ID}}))
	assert.Equal(t, []dlq.Entry{entries[0], entries[2]}, find(dlq.ListParams{Signature: cause, Limit: 2}))
	assert.Equal(t, []dlq.Entry{entries[4], entries[6]},
		find(dlq.ListParams{Signature: cause, After: entries[2].ID, UpTo: entries[7].ID}))
	for _, none := range []string{"x", "0123456789ABCDEF", "0123456789abcdef0", "-123456789abcdef", "0123456789abcdef"} {
		assert.Empty(t, find(dlq.ListParams{Signature: none}), none)
	}
	for i, e := range entries {
		at := e.CreatedAt
		for _, found := range find(dlq.ListParams{From: at}) {
			assert.False(t, found.CreatedAt.Before(at), i)
		}
		for _, found := range find(dlq.ListParams{To: at}) {
			assert.True(t, found.CreatedAt.Before(at), i)
		}
		assert.Len(t, append(find(dlq.ListParams{To: at}), find(dlq.ListParams{From: at})...), len(entries), i)
	}
	first, last := entries[0].CreatedAt, entries[len(entries)-1].CreatedAt
	assert.Equal(t, entries, find(dlq.ListParams{From: first, To: last.Add(time.Microsecond)}))
	assert.Empty(t, find(dlq.ListParams{To: first}))
	assert.Empty(t, find(dlq.ListParams{From: last.Add(time.Microsecond)}))
}

func findNamed(t *testing.T, f *fixture) {
	entries := f.buryCauses(t, 12)
	ids := idsOf(entries)
	erased, err := f.DeadLetters.Erase(t.Context(), dlq.EraseParams{Queue: deadQueue, Selection: dlq.Selection{IDs: []int64{ids[9], ids[1], ids[2], ids[1], -1, 1 << 60}}})
	require.NoError(t, err)
	assert.EqualValues(t, 3, erased)
	redriven, err := f.DeadLetters.Redrive(t.Context(), dlq.RedriveParams{Queue: deadQueue, Selection: dlq.Selection{IDs: []int64{ids[0], ids[1], ids[3], ids[4], ids[11]}}})
	require.NoError(t, err)
	assert.EqualValues(t, 4, redriven.Moved)
	assert.Equal(t, []int64{ids[5], ids[6], ids[7], ids[8], ids[10]}, idsOf(f.list(t, deadQueue)))
	assert.EqualValues(t, 5, f.stat(t, deadQueue).Count)
	erased, err = f.DeadLetters.Erase(t.Context(), dlq.EraseParams{Queue: deadQueue, Selection: dlq.Selection{UpTo: ids[7], Limit: 10}})
	require.NoError(t, err)
	assert.EqualValues(t, 3, erased)
	assert.Equal(t, []int64{ids[8], ids[10]}, idsOf(f.list(t, deadQueue)))
}

func (f *fixture) groups(t *testing.T) []dlq.Group {
	t.Helper()
	groups, err := f.DeadLetters.Groups(t.Context(), deadQueue, 10)
	require.NoError(t, err)
	return groups
}

func findGroups(t *testing.T, f *fixture) {
	assert.Empty(t, f.groups(t))
	entries := f.buryCauses(t, 11)
	f.bury(t, "other", "m-1")
	groups := f.groups(t)
	require.Len(t, groups, 2)
	want := dlq.Group{
		Signature: entries[0].Failure.Signature(), Type: entries[0].Failure.Type, Message: "host <address> refused", Count: 6,
		FirstSeen: entries[0].CreatedAt, LastSeen: entries[10].CreatedAt, Sample: entries[0],
	}
	assert.Equal(t, want, groups[0])
	assert.Equal(t, "account <n> is closed", groups[1].Message)
	assert.EqualValues(t, 5, groups[1].Count)

	some, err := f.DeadLetters.Groups(t.Context(), deadQueue, 1)
	require.NoError(t, err)
	assert.Equal(t, groups[:1], some)

	ids := idsOf(entries)
	_, err = f.DeadLetters.Redrive(t.Context(), dlq.RedriveParams{Queue: deadQueue, Selection: dlq.Selection{UpTo: ids[10], Limit: 3}}) // 2 and 1
	require.NoError(t, err)
	_, err = f.DeadLetters.Erase(t.Context(), dlq.EraseParams{Queue: deadQueue, Selection: dlq.Selection{IDs: []int64{ids[4], ids[6], ids[10]}}})
	require.NoError(t, err)
	groups = f.groups(t)
	require.Len(t, groups, 2)
	assert.EqualValues(t, []int64{4, 1}, []int64{groups[0].Count, groups[1].Count})
	assert.Equal(t, entries[3], groups[0].Sample)
	assert.Equal(t, entries[8], groups[1].Sample)
	assert.Equal(t, entries[8].CreatedAt, groups[1].LastSeen)

	_, err = f.DeadLetters.Erase(t.Context(), dlq.EraseParams{Queue: deadQueue, Selection: dlq.Selection{UpTo: ids[10], Limit: 100}})
	require.NoError(t, err)
	assert.Empty(t, f.groups(t))
	f.bury(t, deadQueue, "again")
	assert.Len(t, f.groups(t), 1)
}

func findGroupsOnce(t *testing.T, f *fixture) {
	for range 3 {
		f.buryCauses(t, 4)
	}
	groups := f.groups(t)
	require.Len(t, groups, 2)
	assert.EqualValues(t, []int64{2, 2}, []int64{groups[0].Count, groups[1].Count})
}

func findMonotone(t *testing.T, f *fixture) {
	entries := f.buryCauses(t, 50)
	for i := range entries[1:] {
		assert.False(t, entries[i+1].CreatedAt.Before(entries[i].CreatedAt))
	}
}
