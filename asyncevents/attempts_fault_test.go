package asyncevents_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

func TestOneOfManyFails(t *testing.T) {
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		var f failing
		s, _ := run(t, b, f.process, nil)
		ids := acceptMany(t, s, "e", 100, func(i int) string {
			if i == 1 {
				return `,"fail":99`
			}
			return ""
		})
		awaitTally(t, s, ids, map[asyncevents.Status]int{asyncevents.StatusProcessed: 99, asyncevents.StatusFailed: 1})
		entries := awaitDead(t, s, asyncevents.EventsQueue, 1)
		assert.Equal(t, "e1", entries[0].CorrelationID)
		assert.Len(t, entries[0].Attempts, 5)
		assert.EqualValues(t, 5, f.of("e1"))
		assert.EqualValues(t, 1, f.of("e2"))
		awaitIdle(t, s, asyncevents.EventsQueue)
	})
}

// hanging hangs in the first start of the event "e49" until it is released, whatever its context says.
type hanging struct {
	starts
	hung     chan struct{}
	released chan struct{}
}

func (h *hanging) process(_ context.Context, e asyncevents.Event) (any, error) {
	n := h.add(e.ID)
	if e.ID == "e49" && n == 1 {
		close(h.hung)
		<-h.released
		return "too late", nil
	}
	return fmt.Sprintf("start %d", n), nil
}

func TestHandlerThatNeverReturns(t *testing.T) {
	limit := time.Duration(slowdown) * 500 * time.Millisecond // what the others may take
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		h := &hanging{hung: make(chan struct{}), released: make(chan struct{})}
		s, stop := run(t, b, h.process, func(c *asyncevents.Config) {
			c.Concurrency, c.Lease, c.AttemptTimeout = 10, limit, limit
		})
		release := sync.OnceFunc(func() { close(h.released) })
		t.Cleanup(release)
		ids := acceptMany(t, s, "e", 100, bare)
		<-h.hung
		// Nobody has released it, and yet all are done: the others in their first attempt, it in its second.
		awaitTally(t, s, ids, map[asyncevents.Status]int{asyncevents.StatusProcessed: 100})
		assert.Equal(t, map[int]int{1: 99, 2: 1}, h.perEvent())
		r := awaitStatus(t, s, "e49", asyncevents.StatusProcessed)
		assert.Equal(t, 2, r.Attempts)
		release()
		require.NoError(t, stop())
		r = awaitStatus(t, s, "e49", asyncevents.StatusProcessed)
		assert.JSONEq(t, `{"success":"start 2","error":[]}`, string(r.Response), "the first start no longer counts")
		assert.Len(t, h.of("e49"), 2)
	})
}

func TestHandlerThatRespectsItsTimeLimit(t *testing.T) {
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		s, _ := run(t, b, func(ctx context.Context, e asyncevents.Event) (any, error) {
			if e.ID != "e49" {
				return nil, nil
			}
			<-ctx.Done()
			return nil, fmt.Errorf("ask the bank: %w", ctx.Err())
		}, func(c *asyncevents.Config) {
			c.Concurrency, c.AttemptTimeout, c.Policy.MaxAttempts = 10, 500*time.Millisecond, 2
		})
		ids := acceptMany(t, s, "e", 100, bare)
		awaitTally(t, s, ids, map[asyncevents.Status]int{asyncevents.StatusProcessed: 99, asyncevents.StatusFailed: 1})
		e := awaitDead(t, s, asyncevents.EventsQueue, 1)[0]
		assert.Equal(t, dlq.Failure{Type: dlq.TypeTimeout, Message: "ask the bank: context deadline exceeded"}, e.Failure)
		require.Len(t, e.Attempts, 2)
		for _, a := range e.Attempts {
			assert.Positive(t, a.DurationMS)
			assert.Less(t, a.DurationMS, patience.Milliseconds())
		}
	})
}

func TestBackoffHoldsAcrossRestarts(t *testing.T) {
	const backoff = 300 * time.Millisecond
	onEachPlace(t, func(t *testing.T, open place) {
		var seen starts
		var numbers []int
		process := func(_ context.Context, e asyncevents.Event) (any, error) {
			numbers = append(numbers, e.Attempt, e.TotalAttempts)
			return nil, fmt.Errorf("failure %d", seen.add(e.ID))
		}
		slow := func(c *asyncevents.Config) { c.Policy = retry.Fixed(backoff) }
		var entries []dlq.Entry
		for start := 1; start <= 5; start++ {
			b := open(t)
			s, stop := run(t, b, process, slow)
			if start == 1 {
				acceptMany(t, s, "e", 1, bare)
			}
			await(t, "one more attempt", func() bool {
				r, err := s.Status(context.Background(), "e0")
				return err == nil && r.Attempts >= start
			})
			require.NoError(t, stop())
			if start == 5 {
				entries = awaitDead(t, s, asyncevents.EventsQueue, 1)
			}
		}
		assert.Equal(t, []int{1, 1, 2, 2, 3, 3, 4, 4, 5, 5}, numbers)
		at := seen.of("e0")
		for i := 1; i < len(at); i++ {
			assert.GreaterOrEqual(t, at[i].Sub(at[i-1]), backoff)
		}
		require.Len(t, entries, 1)
		assert.Len(t, entries[0].Attempts, 5)
	})
}

// The store that fails stands before the backend's own, so that one without a server shows it as well.
func TestDeadLetterCannotBeStored(t *testing.T) {
	onEachLocal(t, func(t *testing.T, b *asyncevents.Backend) {
		store := &faultyStore{Store: b.Events}
		store.broken.Store(true)
		faulty := *b
		faulty.Events = store
		var f failing
		s, _ := run(t, &faulty, f.process, nil)
		ids := acceptMany(t, s, "e", 10, func(i int) string { return fmt.Sprintf(`,"fail":%d`, 99*(1-min(i, 1))) })
		await(t, "a second delivery", func() bool { return len(store.tries.of("e0")) > 5 })
		tries := store.tries.of("e0")
		// Five tries take 12.55 s, then the message waits for its backoff: no hot loop.
		assert.GreaterOrEqual(t, tries[5].Sub(tries[0]), 12550*time.Millisecond)
		awaitTally(t, s, ids, map[asyncevents.Status]int{asyncevents.StatusProcessed: 9, asyncevents.StatusQueued: 1})
		assert.Zero(t, count(t, s, asyncevents.EventsQueue))
		store.broken.Store(false)
		e := awaitDead(t, s, asyncevents.EventsQueue, 1)[0]
		awaitIdle(t, s, asyncevents.EventsQueue)
		assert.EqualValues(t, 5, f.of("e0"), "no start but the five")
		assert.Len(t, e.Attempts, 5)
		assert.Equal(t, dlq.Failure{Type: "error", Message: "failure 5"}, e.Failure)
		assert.NotContains(t, e.Metadata, retry.MetadataPrefix+"failure")
		assert.Equal(t, 5, awaitStatus(t, s, "e0", asyncevents.StatusFailed).Attempts)
		assert.EqualValues(t, 1, count(t, s, asyncevents.EventsQueue))
	})
}

func TestUndecodableRowAmongThousand(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, d *database) {
		b := d.open(t)
		s, err := asyncevents.New(b, (&failing{}).process, quick(t, nil))
		require.NoError(t, err)
		ids := acceptMany(t, s, "e", 1000, bare)
		damage := `UPDATE ` + d.prefix + `messages SET metadata = '{"broken' WHERE uuid = 'e500'`
		require.EqualValues(t, 1, d.exec(t, damage))

		var f failing
		s, _ = run(t, b, f.process, nil)
		awaitTally(t, s, ids, map[asyncevents.Status]int{asyncevents.StatusProcessed: 999, asyncevents.StatusFailed: 1})
		e := awaitDead(t, s, asyncevents.EventsQueue, 1)[0]
		assert.Equal(t, "e500", e.CorrelationID)
		assert.Equal(t, dlq.TypeUndecodable, e.Failure.Type)
		assert.JSONEq(t, `{"correlation_id":"e500"}`, string(e.Payload))
		assert.Zero(t, f.of("e500"))

		_, err = s.DeadLetters().Retry(t.Context(), asyncevents.EventsQueue, e.ID)
		require.NoError(t, err)
		awaitStatus(t, s, "e500", asyncevents.StatusProcessed)
		assert.EqualValues(t, 1, f.of("e500"), "its payload was sound")
	})
}

func TestForeignMessage(t *testing.T) {
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		var f failing
		s, _ := run(t, b, f.process, nil)
		require.NoError(t, b.Publisher.Publish(eventsTopic, message.NewMessage("foreign", []byte("no JSON\x00\xff"))))
		ids := acceptMany(t, s, "e", 20, bare)
		e := awaitDead(t, s, asyncevents.EventsQueue, 1)[0]
		assert.Equal(t, "foreign", e.MessageID)
		assert.Equal(t, dlq.TypeUndecodable, e.Failure.Type)
		assert.Equal(t, "no JSON\x00\xff", string(e.Payload))
		assert.Empty(t, e.Attempts)
		awaitTally(t, s, ids, map[asyncevents.Status]int{asyncevents.StatusProcessed: 20})
		assert.Zero(t, f.of("foreign"))
	})
}

func TestHugeErrorText(t *testing.T) {
	huge := strings.Repeat("ä\xff", 1<<20/3)
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		s, _ := run(t, b, func(_ context.Context, e asyncevents.Event) (any, error) {
			if e.ID == "e0" {
				return nil, errors.New(huge)
			}
			return nil, nil
		}, nil)
		ids := acceptMany(t, s, "e", 20, bare)
		awaitTally(t, s, ids, map[asyncevents.Status]int{asyncevents.StatusProcessed: 19, asyncevents.StatusFailed: 1})
		e := awaitDead(t, s, asyncevents.EventsQueue, 1)[0]
		require.Len(t, e.Attempts, 5)
		texts := []string{e.Failure.Message}
		for _, a := range e.Attempts {
			texts = append(texts, a.Error)
		}
		for _, text := range texts {
			assert.LessOrEqual(t, len(text), retry.MaxErrorText)
			assert.Greater(t, len(text), retry.MaxErrorText-8)
			assert.True(t, utf8.ValidString(text))
		}
	})
}

func TestThreeRoundsOfFailingRedrives(t *testing.T) {
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		var mu sync.Mutex
		var seen [][3]int
		s, _ := run(t, b, func(_ context.Context, e asyncevents.Event) (any, error) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, [3]int{e.Redrives, e.Attempt, e.TotalAttempts})
			return nil, fmt.Errorf("failure %d", len(seen))
		}, nil)
		acceptMany(t, s, "e", 1, bare)
		e := awaitDead(t, s, asyncevents.EventsQueue, 1)[0]
		for round := 2; round <= 3; round++ {
			moved, err := s.DeadLetters().Retry(t.Context(), asyncevents.EventsQueue, e.ID)
			require.NoError(t, err)
			assert.Equal(t, e.ID, moved.ID)
			await(t, "another entry", func() bool {
				entries, err := b.DeadLetters.List(context.Background(), dlqAll)
				if err != nil || len(entries) != 1 || entries[0].ID == e.ID {
					return false
				}
				e = entries[0]
				return true
			})
			assert.Equal(t, round-1, e.Redrives)
		}
		require.Len(t, e.Attempts, 15)
		want := make([][3]int, 15)
		for i, a := range e.Attempts {
			assert.Equal(t, i+1, a.Number)
			assert.Equal(t, fmt.Sprintf("failure %d", i+1), a.Error)
			want[i] = [3]int{i / 5, i%5 + 1, i + 1}
		}
		assert.Equal(t, want, seen)
		assert.Equal(t, 15, awaitStatus(t, s, "e0", asyncevents.StatusFailed).Attempts)
	})
}

func TestRefusalsAreNeverDeadLetters(t *testing.T) {
	no := asyncevents.Reject("NotEnoughPoints", 7, "only 3 left")
	refusals := []error{
		no, retry.Permanent(no), retry.After(time.Hour, no), errors.Join(errors.New("log in"), no),
		fmt.Errorf("wrapped: %w", retry.Permanent(fmt.Errorf("twice: %w", no))),
	}
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		var seen starts
		s, _ := run(t, b, func(_ context.Context, e asyncevents.Event) (any, error) {
			seen.add(e.ID)
			return nil, refusals[int(e.ID[len(e.ID)-1]-'0')%len(refusals)]
		}, nil)
		ids := acceptMany(t, s, "e", 100, bare)
		awaitTally(t, s, ids, map[asyncevents.Status]int{asyncevents.StatusError: 100})
		awaitIdle(t, s, asyncevents.EventsQueue)
		assert.Zero(t, count(t, s, asyncevents.EventsQueue))
		assert.Equal(t, map[int]int{1: 100}, seen.perEvent())
	})
}

func TestAfterIsALowerBound(t *testing.T) {
	const policy = 100 * time.Millisecond
	waits := []time.Duration{300 * time.Millisecond, 0, -time.Hour, 200 * time.Millisecond}
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		var seen starts
		s, _ := run(t, b, func(_ context.Context, e asyncevents.Event) (any, error) {
			n := seen.add(e.ID)
			if n > len(waits) {
				return nil, nil
			}
			return nil, fmt.Errorf("wrapped: %w", retry.After(waits[n-1], errors.New("come again")))
		}, func(c *asyncevents.Config) { c.Policy = retry.Fixed(policy) })
		acceptMany(t, s, "e", 1, bare)
		assert.Equal(t, 5, awaitStatus(t, s, "e0", asyncevents.StatusProcessed).Attempts)
		at := seen.of("e0")
		require.Len(t, at, 5)
		for i, wait := range waits {
			assert.GreaterOrEqual(t, at[i+1].Sub(at[i]), max(policy, wait), i)
		}
	})
}

// vanish claims an event and lets its lease run out, like a process that was killed. Where a broker watches over connections
// instead, it loses that.
func vanish(t *testing.T, b *asyncevents.Backend) {
	t.Helper()
	subscriber, err := b.Subscriber(asyncevents.SubscriberConfig{
		Concurrency: 1, Lease: 200 * time.Millisecond, AttemptTimeout: time.Nanosecond, CloseTimeout: time.Hour,
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	messages, err := subscriber.Subscribe(ctx, eventsTopic)
	require.NoError(t, err)
	msg := <-messages
	cancel()
	if b.Name == "amqp" {
		require.NoError(t, b.Close())
	}
	t.Cleanup(func() {
		msg.Ack() // long since somebody else's: it ends the wait alone
		assert.NoError(t, subscriber.Close())
	})
}

func TestVanishedClaimIsAnAttempt(t *testing.T) {
	onEachPlace(t, func(t *testing.T, open place) {
		var f failing
		first, err := asyncevents.New(open(t), f.process, quick(t, nil))
		require.NoError(t, err)
		acceptMany(t, first, "e", 1, func(int) string { return `,"fail":99` })
		vanish(t, open(t))
		assert.Zero(t, f.of("e0"))

		var number atomic.Int64
		s, _ := run(t, open(t), func(ctx context.Context, e asyncevents.Event) (any, error) {
			number.CompareAndSwap(0, int64(e.Attempt))
			return f.process(ctx, e)
		}, func(c *asyncevents.Config) { c.Lease = 2 * time.Second })
		e := awaitDead(t, s, asyncevents.EventsQueue, 1)[0]
		assert.EqualValues(t, 2, number.Load(), "the attempt of the first that was seen")
		assert.EqualValues(t, 4, f.of("e0"))
		require.Len(t, e.Attempts, 5)
		assert.Contains(t, e.Attempts[0].Error, "did not end")
		for i, a := range e.Attempts[1:] {
			assert.Equal(t, i+2, a.Number)
			assert.Equal(t, fmt.Sprintf("failure %d", i+1), a.Error)
		}
		assert.Equal(t, 5, awaitStatus(t, s, "e0", asyncevents.StatusFailed).Attempts)
	})
}
