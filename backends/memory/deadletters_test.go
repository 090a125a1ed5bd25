package memory

import (
	"context"
	"iter"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

// many is more than one critical section moves.
const many = 2*stepSize + 500

func filled(t testing.TB, n int) (*deadLetters, []int64) {
	t.Helper()
	d := &deadLetters{newState()}
	ids := make([]int64, n)
	for i := range n {
		require.NoError(t, d.Add(t.Context(), dlq.Entry{Queue: "q", Topic: "t", MessageID: strconv.Itoa(i)}))
		ids[i] = int64(i) + 1
	}
	return d, ids
}

func TestRedriveInSteps(t *testing.T) {
	t.Parallel()
	for name, params := range map[string]func(ids []int64) dlq.RedriveParams{
		"by id": func(ids []int64) dlq.RedriveParams { return dlq.RedriveParams{Selection: dlq.Selection{IDs: ids}} },
		"oldest": func(ids []int64) dlq.RedriveParams {
			return dlq.RedriveParams{Selection: dlq.Selection{UpTo: ids[many-1], Limit: many}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, ids := filled(t, many+10)
			require.NoError(t, (&jobs{d.state}).Start(t.Context(), retry.Job{ID: "j", Queue: "q"}))
			p := params(ids[:many])
			p.Queue, p.Job, p.Full = "q", "j", true
			redriven, err := d.Redrive(t.Context(), p)
			require.NoError(t, err)
			assert.EqualValues(t, many, redriven.Moved)
			require.Len(t, redriven.Entries, many)
			assert.EqualValues(t, 1, redriven.Entries[0].ID)
			backlog, err := d.driver.backlog(t.Context(), "t")
			require.NoError(t, err)
			assert.EqualValues(t, many, backlog.Ready)
			stats, err := d.Stat(t.Context(), "q")
			require.NoError(t, err)
			assert.EqualValues(t, 10, stats.Count)
			assert.Len(t, d.dlqs["q"].byMessage, 10)
			assert.EqualValues(t, many, d.latestJob("q").Moved)
		})
	}
}

func TestEraseInSteps(t *testing.T) {
	t.Parallel()
	d, ids := filled(t, many+10)
	erased, err := d.Erase(t.Context(), dlq.EraseParams{Queue: "q", Selection: dlq.Selection{UpTo: ids[many-1], Limit: many + 10}})
	require.NoError(t, err)
	assert.EqualValues(t, many, erased)
	assert.Len(t, d.dlqs["q"].byMessage, 10)
}

func TestLimitsMustBePositive(t *testing.T) {
	t.Parallel()
	d, _ := filled(t, 1)
	_, err := d.List(t.Context(), dlq.ListParams{Queue: "q"})
	require.ErrorContains(t, err, "Limit")
	_, err = d.Redrive(t.Context(), dlq.RedriveParams{Queue: "q", Selection: dlq.Selection{UpTo: 9}})
	require.ErrorContains(t, err, "Limit")
	_, err = d.Erase(t.Context(), dlq.EraseParams{Queue: "q", Selection: dlq.Selection{UpTo: 9, Limit: -1}})
	require.ErrorContains(t, err, "Limit")
	stats, err := d.Stat(t.Context(), "q")
	require.NoError(t, err)
	assert.EqualValues(t, 1, stats.Count)
}

func TestSnapshotEndsWithItsContext(t *testing.T) {
	t.Parallel()
	d, _ := filled(t, 10)
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	err := d.Snapshot(ctx, "q", func(_ dlq.Stats, entries iter.Seq2[dlq.Entry, error]) error {
		for _, err := range entries {
			if err != nil {
				return err
			}
			n++
			cancel()
		}
		return nil
	})
	require.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, 1, n)
}
