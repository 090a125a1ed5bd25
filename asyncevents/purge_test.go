package asyncevents_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/memory"
	"github.com/redrive-go/redrive/dlq"
)

// What was erased can be restored for a time, and is gone for good afterwards.
func TestErasedIsKeptForATime(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		keep time.Duration
		kept int
	}{
		"a day":      {0, 3},
		"not at all": {-1, 0},
		"a moment":   {time.Millisecond, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			backend := memory.New()
			for _, id := range []string{"a", "b", "c"} {
				entry := dlq.Entry{Queue: asyncevents.EventsQueue, Topic: "redrive.events", MessageID: id}
				require.NoError(t, backend.DeadLetters.Add(t.Context(), entry))
			}
			s, stop := run(t, backend, working(&starts{}, 0), func(c2 *asyncevents.Config) { c2.KeepErased = c.keep })
			erased, err := s.EraseDeadLetters(t.Context(), asyncevents.EventsQueue, dlq.Filter{}, 3)
			require.NoError(t, err)
			assert.EqualValues(t, 3, erased)
			left := func() int {
				page, err := s.DeadLetters().Erased(t.Context(), asyncevents.EventsQueue, dlq.Query{})
				require.NoError(t, err)
				return len(page.Entries)
			}
			await(t, "what is kept", func() bool { return left() == c.kept })
			require.NoError(t, stop())
		})
	}
}
