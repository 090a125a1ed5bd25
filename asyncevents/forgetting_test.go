package asyncevents_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/retry"
)

// What is done is forgotten, and can be sent anew; what stands in a DLQ keeps its status.
func TestStatusesAreForgotten(t *testing.T) {
	onEachLocal(t, func(t *testing.T, b *asyncevents.Backend) {
		s, _ := run(t, b, func(_ context.Context, e asyncevents.Event) (any, error) {
			if e.ID == "dead" {
				return nil, retry.Permanent(errors.New("no"))
			}
			return nil, nil
		}, func(c *asyncevents.Config) { c.KeepStatuses = 50 * time.Millisecond })
		accept(t, s, `{"correlation_id":"dead"}`)
		awaitDead(t, s, asyncevents.EventsQueue, 1)
		for range 2 {
			accept(t, s, `{"correlation_id":"done"}`)
			await(t, "forgotten", func() bool {
				_, err := s.Status(t.Context(), "done")
				return errors.Is(err, asyncevents.ErrNotFound)
			})
		}
		r, err := s.Status(t.Context(), "dead")
		require.NoError(t, err)
		assert.Equal(t, asyncevents.StatusFailed, r.Status)
	})
}
