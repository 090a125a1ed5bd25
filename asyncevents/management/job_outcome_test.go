package management

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/redrive-go/redrive/retry"
)

// A job says what became of what it moved, and leads to what came back.
func TestOutcomeLeadsToWhatCameBack(t *testing.T) {
	t.Parallel()
	got := becameOf(&retry.Job{ID: "j 1", Moved: 10, Outcome: retry.Outcome{Processed: 3, Refused: 1, CameBack: 2}})
	assert.EqualValues(t, 4, got.Waiting)
	assert.Equal(t, "entries?job=j+1", got.CameBackURL)
	got = becameOf(&retry.Job{Moved: 1, Outcome: retry.Outcome{Processed: 2}})
	assert.Zero(t, got.Waiting)
	assert.Empty(t, got.CameBackURL)
}
