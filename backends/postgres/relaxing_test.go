package postgres

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/sqlstore"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

// The steps of a retry job do not wait for the disk. Whoever gets an answer does: for a redrive, an erasure, a job that starts or ends.
func TestStepsOfARetryJobDoNotWaitForTheDisk(t *testing.T) {
	t.Parallel()
	d := newTestDialect(t)
	w := &watched{Server: d.db, setting: "synchronous_commit"}
	b, _ := sqlstore.NewBackend(w, d, sqlstore.Parts{Flushers: 1})
	name := asyncevents.EventsQueue
	for _, id := range []string{"1", "2", "3"} {
		require.NoError(t, b.DeadLetters.Add(t.Context(), dlq.Entry{Queue: name, Topic: "t", MessageID: id}))
	}
	job := retry.Job{ID: "j", Queue: name, State: retry.StateRunning, Total: 3, UpTo: 3}
	require.NoError(t, b.Jobs.Start(t.Context(), job))
	w.seen = nil
	redrive := func(p dlq.RedriveParams) {
		p.Queue = name
		redriven, err := b.DeadLetters.Redrive(t.Context(), p)
		require.NoError(t, err)
		require.EqualValues(t, 1, redriven.Moved)
	}

	claimed, err := b.Jobs.Claim(t.Context(), name, "owner", time.Minute)
	require.NoError(t, err)
	redrive(dlq.RedriveParams{Selection: dlq.Selection{UpTo: 1, Limit: 1}, Job: "j"})
	assert.Equal(t, []string{"off", "off"}, w.seen)
	redrive(dlq.RedriveParams{Selection: dlq.Selection{UpTo: 2, Limit: 1}})
	_, err = b.DeadLetters.Erase(t.Context(), dlq.EraseParams{Queue: name, Selection: dlq.Selection{UpTo: 3, Limit: 1}})
	require.NoError(t, err)
	claimed.State = retry.StateCompleted
	require.NoError(t, b.Jobs.Save(t.Context(), "owner", claimed))
	assert.Equal(t, []string{"on", "on", "on"}, w.seen[2:])
}
