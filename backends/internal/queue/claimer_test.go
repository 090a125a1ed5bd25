package queue

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
)

// endless is a driver in which messages always wait, and a claim takes some time.
type endless struct {
	takes time.Duration
	bell  Bell

	mu       sync.Mutex
	claims   []int // how many messages each claim took
	last     int64
	held     int
	most     int // that were held at once
	returned int
}

func (e *endless) Publish(context.Context, string, ...*message.Message) error { return nil }

func (e *endless) Claim(_ context.Context, p ClaimParams) ([]Claimed, time.Duration, error) {
	time.Sleep(e.takes)
	e.mu.Lock()
	defer e.mu.Unlock()
	claimed := make([]Claimed, p.Limit)
	for i := range claimed {
		e.last++
		claimed[i] = Claimed{ID: e.last, Owner: p.Owner, UUID: strconv.FormatInt(e.last, 10), Attempt: 1}
	}
	e.claims = append(e.claims, p.Limit)
	e.held += p.Limit
	e.most = max(e.most, e.held)
	return claimed, -1, nil
}

func (e *endless) Settle(_ context.Context, settlements []Settlement) ([]bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	held := make([]bool, len(settlements))
	for i := range settlements {
		held[i] = true
		if settlements[i].Outcome == Unused {
			e.returned++
		}
	}
	e.held -= len(settlements)
	return held, nil
}

func (e *endless) Renew(context.Context, []Held, time.Duration) ([]Held, error) {
	return nil, nil
}
func (e *endless) Expired(context.Context, string, int) ([]Claimed, error) { return nil, nil }
func (e *endless) Wakes() *Bell                                            { return &e.bell }

// consumeFor has handlers take what a consumer of the driver delivers for a while, and returns how many messages they had.
func consumeFor(t *testing.T, e *endless, concurrency int, while time.Duration, handler func(n int)) (handled int) {
	sub, err := NewSubscriber(e, asyncevents.SubscriberConfig{Concurrency: concurrency}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	messages, err := sub.Subscribe(context.Background(), "t")
	require.NoError(t, err)
	end := time.After(while)
	var working sync.WaitGroup
	for {
		select {
		case msg := <-messages:
			handled++
			n := handled
			working.Go(func() {
				handler(n)
				msg.Ack()
			})
		case <-end:
			require.NoError(t, sub.Close())
			working.Wait()
			return handled
		}
	}
}

// Handlers have something to do all the time although a claim takes more than half as long as they do, and claims are few.
func TestClaimsAhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &endless{takes: 3 * time.Millisecond}
		handled := consumeFor(t, e, 100, time.Second, func(int) { time.Sleep(5 * time.Millisecond) })
		assert.Greater(t, handled, 19_000, "of 20,000 at best")
		assert.Less(t, len(e.claims), 220, "one in 5 ms")
		assert.LessOrEqual(t, e.most, 200, "never more ahead than at work")
		assert.Zero(t, e.held)
	})
}

// Handlers that take long and end together hardly have anything claimed ahead of them, which another replica might have a place
// for, and nothing is claimed in vain.
func TestClaimsAheadOfSlowHandlers(t *testing.T) {
	t.Parallel()
	for _, takes := range []time.Duration{50 * time.Millisecond, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			e := &endless{takes: 3 * time.Millisecond}
			handled := consumeFor(t, e, 100, 20*time.Second, func(int) { time.Sleep(takes) })
			assert.Greater(t, handled, int(0.85*100*20*time.Second/takes))
			assert.LessOrEqual(t, e.most, 120)
			assert.LessOrEqual(t, e.returned, 40, "only what waits at the end")
			assert.Zero(t, e.held)
		})
	}
}

// What was claimed ahead of handlers that suddenly take for ever goes back.
func TestGivesBackWhatWaitsInVain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &endless{takes: 3 * time.Millisecond}
		consumeFor(t, e, 100, 10*time.Second, func(n int) {
			if n > 5000 {
				time.Sleep(20 * time.Second)
				return
			}
			time.Sleep(5 * time.Millisecond)
		})
		assert.Positive(t, e.returned)
		assert.LessOrEqual(t, len(e.claims), 100, "and is not claimed again at once")
		assert.Zero(t, e.held)
	})
}

func TestOneAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &endless{takes: time.Millisecond}
		handled := consumeFor(t, e, 1, 10*time.Second, func(int) { time.Sleep(100 * time.Millisecond) })
		assert.GreaterOrEqual(t, handled, 90)
		assert.Equal(t, 1, e.most)
	})
}
