package management

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

func TestTimeline(t *testing.T) {
	t.Parallel()
	second := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Second) }
	entry := dlq.Entry{AcceptedAt: noon, CreatedAt: second(95), Attempts: retry.History{
		{Number: 1, StartedAt: second(1), Error: "no"}, {Number: 2, StartedAt: second(91), ResponseStatus: 503, Error: "no"},
		{Number: 3, Error: "lost"},
	}}
	assert.Equal(t, []moment{
		{At: noon, What: "accepted"},
		{At: second(1), What: "attempt 1 failed", After: "1s", Bad: true},
		{At: second(91), What: "attempt 2 failed, answered with 503", After: "1m30s", Bad: true},
		{At: second(95), What: "came into the DLQ", After: "4s", Bad: true},
	}, timelineOf(&entry), "an attempt whose time nobody knows is left to the table")
	assert.Empty(t, timelineOf(&dlq.Entry{}))
}
