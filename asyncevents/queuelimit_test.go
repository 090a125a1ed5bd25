package asyncevents

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The queue is looked at once a second at most, however many requests come, and a look that fails or hangs changes nothing.
func TestQueueLimitLooksOnceASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		looks, answer, failure := 0, Backlog{Ready: 5, Delayed: 3, InFlight: 1}, error(nil)
		l := &queueLimiter{most: 10, began: time.Now(), count: func(ctx context.Context) (Backlog, error) {
			looks++
			if errors.Is(failure, context.DeadlineExceeded) {
				<-ctx.Done()
			}
			return answer, failure
		}}
		d := newDesk(t, func(c *handlerConfig) { c.depth = l })
		second := func(status int) {
			t.Helper()
			for range 50 {
				w := d.post("{}")
				require.Equal(t, status, w.Code)
				require.Equal(t, status == 429, w.Header().Get("Retry-After") != "")
			}
			time.Sleep(time.Second)
		}
		second(202)
		answer.InFlight++
		second(429)
		failure = fmt.Errorf("no store")
		second(429)
		assert.Contains(t, d.log.String(), "no store")
		failure = context.DeadlineExceeded
		second(429)
		failure, answer = nil, Backlog{}
		second(202)
		assert.Equal(t, 5, looks)
	})
}

func TestQueueLimitNeedsABacklog(t *testing.T) {
	t.Parallel()
	_, err := New(&Backend{}, func(context.Context, Event) (any, error) { return nil, nil }, &Config{MaxQueued: 1})
	assert.ErrorContains(t, err, "MaxQueued needs")
}
