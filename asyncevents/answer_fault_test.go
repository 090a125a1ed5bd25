package asyncevents_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/memory"
	"github.com/redrive-go/redrive/retry"
)

// mumbling is a store that settles, and whose answer is lost the first time.
type mumbling struct {
	asyncevents.Store
	mu    sync.Mutex
	heard map[settled]bool
}

type settled struct {
	id, queue string
	attempts  int
}

func (m *mumbling) Settle(ctx context.Context, s asyncevents.Settlement) error {
	err := m.Store.Settle(ctx, s)
	m.mu.Lock()
	defer m.mu.Unlock()
	key := settled{s.CorrelationID, s.Queue, s.Attempts}
	if err == nil && !m.heard[key] {
		m.heard[key] = true
		return errors.New("connection reset by peer")
	}
	return err
}

// An outcome that was stored, and of whose commit nobody heard, is what became of its attempt.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	b := memory.New()
	b.Events = &mumbling{Store: b.Events, heard: map[settled]bool{}}
	calls := newReceiver(t, func(n int) int { return map[bool]int{true: 500, false: 200}[n == 1] })
	reader, meters := measured()
	s, _ := run(t, b, func(_ context.Context, e asyncevents.Event) (any, error) {
		switch {
		case e.ID == "fails" || e.ID == "later" && e.Attempt == 1:
			return nil, errors.New("no")
		case e.ID == "permanent":
			return nil, retry.Permanent(errors.New("never"))
		}
		return "done", nil
	}, func(c *asyncevents.Config) {
		private(c)
		c.MeterProvider = meters
		c.Policy = retry.Fixed(time.Second) // longer than it takes to try again
		c.CallbackPolicy = c.Policy
		c.Policy.MaxAttempts = 2
	})
	for _, id := range []string{"fails", "later", "permanent"} {
		accept(t, s, `{"correlation_id":"`+id+`"}`)
	}
	accept(t, s, `{"correlation_id":"calls","callback_url":"`+calls.server.URL+`"}`)
	awaitStatus(t, s, "fails", asyncevents.StatusFailed)
	awaitStatus(t, s, "later", asyncevents.StatusProcessed)
	awaitStatus(t, s, "permanent", asyncevents.StatusFailed)
	awaitCallback(t, s, "calls", asyncevents.CallbackDelivered)
	awaitAttempts(t, reader, map[string]int{"processed": 2, "retried": 2, "dead_lettered": 2})
	await(t, "both attempts at the callback", func() bool {
		points := collect(t, reader)
		assert.Zero(t, points["redrive.attempts{callbacks,not_stored}"])
		return points["redrive.attempts{callbacks,retried}"] == 1 && points["redrive.attempts{callbacks,delivered}"] == 1
	})
	assert.Len(t, calls.all(), 2)
	assert.EqualValues(t, 2, count(t, s, asyncevents.EventsQueue))
}
