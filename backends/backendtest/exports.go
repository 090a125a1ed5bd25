package backendtest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/export"
)

var exportCases = []testCase{
	{"a record comes back as it was created", exportWhole},
	{"unknown records", exportUnknown},
	{"list, newest first", exportList},
	{"claimed oldest first, each by one", exportClaim},
	{"claimed at once, each by one", exportClaimConcurrently},
	{"taken over when its owner dies", exportTakeover},
	{"delete", exportDelete},
}

// record is an export that was just asked for.
func record(n int, queue string) export.Record {
	return export.Record{
		ID: fmt.Sprintf("x-%03d", n), Queue: queue, State: export.StateRunning, Format: "json",
		CreatedAt: time.Date(2026, 1, 2, 3, 4, n, 0, time.UTC), CreatedBy: "ann",
	}
}

func (f *fixture) createExports(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		require.NoError(t, f.Exports.Create(t.Context(), record(i, []string{"events", "callbacks"}[i%2])))
	}
}

func assertSameRecord(t *testing.T, want, got export.Record) {
	t.Helper()
	assert.True(t, want.CreatedAt.Equal(got.CreatedAt), "%s is not %s", want.CreatedAt, got.CreatedAt)
	assert.True(t, want.FinishedAt.Equal(got.FinishedAt), "%s is not %s", want.FinishedAt, got.FinishedAt)
	got.CreatedAt, got.FinishedAt = want.CreatedAt, want.FinishedAt
	assert.Equal(t, want, got)
}

func exportWhole(t *testing.T, f *fixture) {
	want := record(0, "events")
	require.NoError(t, f.Exports.Create(t.Context(), want))
	got, err := f.Exports.Get(t.Context(), want.ID)
	require.NoError(t, err)
	assertSameRecord(t, want, got)
	got, err = f.Exports.Claim(t.Context(), "a", longLease)
	require.NoError(t, err)
	assertSameRecord(t, want, got)

	want.State, want.Count, want.Total, want.Bytes, want.SHA256 = export.StateCompleted, 7, 9, 1<<40, "abc"
	want.FinishedAt, want.Error = want.CreatedAt.Add(time.Minute), "no"
	require.NoError(t, f.Exports.Save(t.Context(), "a", want))
	got, err = f.Exports.Get(t.Context(), want.ID)
	require.NoError(t, err)
	assertSameRecord(t, want, got)
}

func exportUnknown(t *testing.T, f *fixture) {
	_, err := f.Exports.Get(t.Context(), "x")
	require.ErrorIs(t, err, export.ErrNotFound)
	_, err = f.Exports.Claim(t.Context(), "a", longLease)
	require.ErrorIs(t, err, export.ErrNotFound)
	require.ErrorIs(t, f.Exports.Save(t.Context(), "a", record(0, "events")), export.ErrNotFound)
	require.ErrorIs(t, f.Exports.Delete(t.Context(), "x"), export.ErrNotFound)
	list, err := f.Exports.List(t.Context(), "", 10)
	require.NoError(t, err)
	assert.Empty(t, list)
}

func exportList(t *testing.T, f *fixture) {
	f.createExports(t, 6)
	for _, c := range []struct {
		queue string
		limit int
		want  []string
	}{
		{"", 3, []string{"x-005", "x-004", "x-003"}},
		{"events", 10, []string{"x-004", "x-002", "x-000"}},
		{"callbacks", 2, []string{"x-005", "x-003"}},
		{"none", 10, nil},
	} {
		list, err := f.Exports.List(t.Context(), c.queue, c.limit)
		require.NoError(t, err)
		var got []string
		for _, r := range list {
			got = append(got, r.ID)
		}
		assert.Equal(t, c.want, got, "queue %q", c.queue)
	}
}

func exportClaim(t *testing.T, f *fixture) {
	f.createExports(t, 2)
	claim := func(owner string) string {
		r, err := f.Exports.Claim(t.Context(), owner, longLease)
		if err != nil {
			require.ErrorIs(t, err, export.ErrNotFound)
		}
		return r.ID
	}
	assert.Equal(t, "x-000", claim("a"))
	assert.Equal(t, "x-000", claim("a"), "its owner gets it again")
	assert.Equal(t, "x-001", claim("b"))
	assert.Empty(t, claim("c"))

	done := record(0, "events")
	require.ErrorIs(t, f.Exports.Save(t.Context(), "b", done), export.ErrNotFound)
	require.NoError(t, f.Exports.Save(t.Context(), "a", done), "progress")
	done.State = export.StateFailed
	require.NoError(t, f.Exports.Save(t.Context(), "a", done))
	require.ErrorIs(t, f.Exports.Save(t.Context(), "a", done), export.ErrNotFound, "the lease has ended")
	assert.Empty(t, claim("a"))
}

func exportClaimConcurrently(t *testing.T, f *fixture) {
	f.createExports(t, 5)
	var mu sync.Mutex
	claimed := map[string]int{}
	var group sync.WaitGroup
	for i := range 10 {
		group.Go(func() {
			r, err := f.Exports.Claim(t.Context(), fmt.Sprint("owner ", i), longLease)
			if err != nil {
				assert.ErrorIs(t, err, export.ErrNotFound)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			claimed[r.ID]++
		})
	}
	group.Wait()
	assert.Len(t, claimed, 5)
	for id, n := range claimed {
		assert.Equal(t, 1, n, id)
	}
}

func exportTakeover(t *testing.T, f *fixture) {
	f.createExports(t, 1)
	held, err := f.Exports.Claim(t.Context(), "a", shortLease)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err := f.Exports.Claim(t.Context(), "b", longLease)
		return err == nil
	}, patience, glance)
	require.ErrorIs(t, f.Exports.Save(t.Context(), "a", held), export.ErrNotFound)
	require.NoError(t, f.Exports.Save(t.Context(), "b", held))
}

func exportDelete(t *testing.T, f *fixture) {
	f.createExports(t, 2)
	held, err := f.Exports.Claim(t.Context(), "a", longLease)
	require.NoError(t, err)
	require.NoError(t, f.Exports.Delete(t.Context(), held.ID))
	require.ErrorIs(t, f.Exports.Save(t.Context(), "a", held), export.ErrNotFound)
	require.ErrorIs(t, f.Exports.Delete(t.Context(), held.ID), export.ErrNotFound)
	_, err = f.Exports.Get(t.Context(), held.ID)
	require.ErrorIs(t, err, export.ErrNotFound)
	list, err := f.Exports.List(t.Context(), "", 10)
	require.NoError(t, err)
	assert.Len(t, list, 1)
}
