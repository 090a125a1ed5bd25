package asyncevents_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

// What is done is forgotten, and can be sent anew; what stands in a DLQ keeps its status. What was edited there is forgotten with its
// original.
func TestStatusesAreForgotten(t *testing.T) {
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		s, _ := run(t, b, func(_ context.Context, e asyncevents.Event) (any, error) {
			if e.ID == "dead" && !strings.Contains(string(e.Body), "mended") {
				return nil, retry.Permanent(errors.New("no"))
			}
			return nil, nil
		}, func(c *asyncevents.Config) { c.KeepStatuses = 50 * time.Millisecond })
		accept(t, s, `{"correlation_id":"dead"}`)
		entry := awaitDead(t, s, asyncevents.EventsQueue, 1)[0]
		awaitForgotten := func(id string) {
			await(t, "forgotten", func() bool {
				_, err := s.Status(t.Context(), id)
				return errors.Is(err, asyncevents.ErrNotFound)
			})
		}
		for range 2 {
			accept(t, s, `{"correlation_id":"done"}`)
			awaitForgotten("done")
		}
		r, err := s.Status(t.Context(), "dead")
		require.NoError(t, err)
		assert.Equal(t, asyncevents.StatusFailed, r.Status)
		_, err = s.DeadLetters().RetryEdited(t.Context(), asyncevents.EventsQueue, entry.ID, []byte(`{"mended":1}`))
		require.NoError(t, err)
		awaitForgotten("dead")
		_, err = s.DeadLetters().Original(t.Context(), &entry)
		require.ErrorIs(t, err, dlq.ErrNotFound)
	})
}
