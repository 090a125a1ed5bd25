package retry_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/retry"
)

func TestStateEnded(t *testing.T) {
	t.Parallel()
	ended := map[retry.State]bool{
		retry.StateRunning: false, retry.StateCoolingDown: false, retry.StateStopping: false,
		retry.StateStopped: true, retry.StateCompleted: true, retry.StateFailed: true,
	}
	for state, want := range ended {
		assert.Equal(t, want, state.Ended(), state)
	}
}

func TestJobRemaining(t *testing.T) {
	t.Parallel()
	assert.Equal(t, int64(7), retry.Job{Total: 10, Moved: 3}.Remaining())
	assert.Zero(t, retry.Job{Total: 10, Moved: 11}.Remaining())
	assert.Equal(t, int64(7), retry.Job{Total: 10, Moved: 3, State: retry.StateStopped}.Remaining())
	assert.Zero(t, retry.Job{Total: 10, Moved: 3, State: retry.StateCompleted}.Remaining(), "the others were erased")
}

func TestJobJSON(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	text, err := json.Marshal(retry.Job{ID: "id", Queue: "events", State: retry.StateRunning, StartedAt: at, StartedBy: "alice",
		Total: 5, Moved: 3, Batches: 1, BatchMoved: 1, UpTo: 9})
	require.NoError(t, err)
	assert.JSONEq(t, `{"id":"id","state":"running","started_at":"2026-01-02T03:04:05Z","started_by":"alice",
		"total":5,"outcome":{"processed":0,"refused":0,"came_back":0},"moved":3,"batches":1}`, string(text),
		"no times that are not yet, nothing internal")
}
