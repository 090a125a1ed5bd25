package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
)

// stalling is a database of nothing but events, in which statements may take long.
type stalling struct {
	Database
	Dialect
	// stall is what an insert of events does first.
	stall func(ctx context.Context, ids []any) error
	mu    sync.Mutex
	known map[any]bool
}

// stallingTx is a transaction of it.
type stallingTx struct {
	Tx
	ctx context.Context
}

// Write implements Database.
func (s *stalling) Write(ctx context.Context, work func(Tx) error) error {
	return work(&stallingTx{ctx: ctx})
}

// Name implements Dialect.
func (s *stalling) Name() string { return "stalling" }

// Publish implements Dialect.
func (s *stalling) Publish(Tx, []Outgoing) error { return nil }

// Insert implements Dialect.
func (s *stalling) Insert(t Tx, _ string, columns []string, args []any) (int64, error) {
	var ids []any
	for row := range slices.Chunk(args, len(columns)) {
		ids = append(ids, row[0])
	}
	if err := s.stall(t.(*stallingTx).ctx, ids); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.known)
	for _, id := range ids {
		s.known[id] = true
	}
	return int64(len(s.known) - before), nil
}

// Query implements Tx: nothing is known yet.
func (t *stallingTx) Query(func(Scanner) error, string, ...any) error { return nil }

// stallingEvents returns a store on a database that stalls.
func stallingEvents(stall func(ctx context.Context, ids []any) error) *Events {
	s := &stalling{stall: stall, known: map[any]bool{}}
	return NewEvents(s, s, NewQueue(s, s, nil), nil, 2)
}

// hang waits in vain.
func hang(ctx context.Context, _ []any) error {
	<-ctx.Done()
	return fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
}

// acceptFor accepts an event, and returns how long that took.
func acceptFor(e *Events, id string) (time.Duration, error) {
	began := time.Now()
	_, err := e.Accept(context.Background(), asyncevents.Acceptance{
		CorrelationID: id, Topic: "t", Message: message.NewMessage(id, nil), AcceptedAt: began,
	})
	return time.Since(began), err
}

// Whatever the server does, whoever calls hears of it within five seconds: many or few, now or later, with one id or others.
func TestNobodyWaitsForAServerThatHangs(t *testing.T) {
	t.Parallel()
	const callers, every = 1000, 11 * time.Millisecond
	for name, stall := range map[string]func(context.Context, []any) error{
		"in a statement": hang,
		"refusing late": func(context.Context, []any) error {
			time.Sleep(flushPatience - time.Millisecond)
			return ErrUnavailable
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := stallingEvents(stall)
				var calling sync.WaitGroup
				for n := range callers {
					time.Sleep(every)
					calling.Go(func() {
						took, err := acceptFor(e, fmt.Sprintf("e%d", n/3))
						assert.ErrorIs(t, err, ErrUnavailable)
						assert.Less(t, took, 5*time.Second)
					})
				}
				calling.Wait()
			})
		})
	}
}

// One id is held by somebody: only its callers fail, and soon nobody else is slowed down.
func TestHeldIDDelaysNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var held atomic.Bool
		held.Store(true)
		e := stallingEvents(func(ctx context.Context, ids []any) error {
			if held.Load() && slices.Contains(ids, any("x")) {
				return hang(ctx, ids)
			}
			time.Sleep(2 * time.Millisecond)
			return nil
		})
		began := time.Now()
		var guilty, others sync.WaitGroup
		for range 20 {
			guilty.Go(func() {
				for held.Load() {
					took, err := acceptFor(e, "x")
					assert.Less(t, took, 5*time.Second)
					assert.True(t, err != nil || !held.Load())
				}
			})
		}
		for n := range 50 {
			others.Go(func() {
				for call := 0; time.Since(began) < 20*time.Second; call++ {
					took, err := acceptFor(e, fmt.Sprintf("e%d-%d", n, call))
					assert.NoError(t, err)
					assert.Less(t, took, 5*time.Second)
					if time.Since(began) > 6*time.Second {
						assert.Less(t, took, 10*time.Millisecond, "who is to blame is known")
					}
					time.Sleep(50 * time.Millisecond)
				}
			})
		}
		others.Wait()
		held.Store(false)
		guilty.Wait()
		_, err := acceptFor(e, "y")
		require.NoError(t, err)
		assert.False(t, e.alone.suspect("x"))
	})
}

// A server that takes longer than a batch is waited for at first is not made slower by trying its calls one by one.
func TestSlowServerKeepsItsBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var slow atomic.Bool
		slow.Store(true)
		e := stallingEvents(func(ctx context.Context, _ []any) error {
			if !slow.Load() {
				return nil
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
			case <-time.After(2 * time.Second):
				return nil
			}
		})
		var refused, accepted atomic.Int64
		var calling sync.WaitGroup
		for n := range 50 {
			calling.Go(func() {
				for call := range 30 {
					took, err := acceptFor(e, fmt.Sprintf("e%d-%d", n, call))
					assert.Less(t, took, 5*time.Second)
					if err != nil {
						refused.Add(1)
					} else {
						accepted.Add(1)
					}
				}
			})
		}
		calling.Wait()
		assert.LessOrEqual(t, refused.Load(), int64(60), "only at first")
		assert.EqualValues(t, 30*50, refused.Load()+accepted.Load())
		slow.Store(false)
		_, err := acceptFor(e, "x")
		require.NoError(t, err)
		assert.False(t, e.alone.slow.Load())
	})
}
