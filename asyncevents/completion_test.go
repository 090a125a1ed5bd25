package asyncevents_test

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/internal/soak"
	"github.com/redrive-go/redrive/retry"
)

var errAfterwards = errors.New("something after the commit went wrong")

// worker is a processor that completes events in transactions of the host, each with an order. How it ends them says how.
type worker struct {
	starts
	*host
	t        *testing.T
	services [2]*asyncevents.Service
	how      func(w *worker, tx *hostTx, e asyncevents.Event, start int) error
	failed   atomic.Pointer[error] // the last error of CompleteTx
}

// process is the processor of the replica of that number.
func (w *worker) process(replica int) asyncevents.Processor {
	return func(ctx context.Context, e asyncevents.Event) (any, error) {
		start := w.add(e.ID)
		tx, err := w.begin(context.WithoutCancel(ctx))
		if err != nil {
			return nil, err
		}
		if err := tx.order(e.ID); err != nil {
			return nil, errors.Join(err, tx.rollback())
		}
		if err := w.services[replica].CompleteTx(ctx, tx.tx, e, map[string]int{"start": start}); err != nil {
			w.failed.Store(&err)
			return nil, errors.Join(err, tx.rollback())
		}
		return "not read", w.how(w, tx, e, start)
	}
}

// startWorkers runs two replicas, and returns the worker of both.
func startWorkers(
	t *testing.T, h *host, change func(*asyncevents.Config), how func(*worker, *hostTx, asyncevents.Event, int) error,
) *worker {
	t.Helper()
	w := &worker{host: h, t: t, how: how}
	var ready sync.WaitGroup
	ready.Add(1)
	for i := range w.services {
		process := w.process(i)
		w.services[i], _ = run(t, h.open(t), func(ctx context.Context, e asyncevents.Event) (any, error) {
			ready.Wait()
			return process(ctx, e)
		}, func(c *asyncevents.Config) {
			c.PollInterval = 50 * time.Millisecond
			if change != nil {
				change(c)
			}
		})
	}
	ready.Done()
	return w
}

func TestCompleteTx(t *testing.T) {
	for name, c := range map[string]struct {
		how              func(*worker, *hostTx, asyncevents.Event, int) error
		starts, attempts int
		reason           string // of the first attempt, if it failed
	}{
		"committed": {func(_ *worker, tx *hostTx, _ asyncevents.Event, _ int) error {
			return tx.commit()
		}, 1, 1, ""},
		"committed, then an error": {func(_ *worker, tx *hostTx, _ asyncevents.Event, _ int) error {
			return errors.Join(tx.commit(), errAfterwards)
		}, 1, 1, ""},
		"committed, then a panic": {func(w *worker, tx *hostTx, _ asyncevents.Event, _ int) error {
			assert.NoError(w.t, tx.commit())
			panic("afterwards")
		}, 1, 1, ""},
		"rolled back": {func(_ *worker, tx *hostTx, _ asyncevents.Event, start int) error {
			if start == 1 {
				return errors.Join(tx.rollback(), errAfterwards)
			}
			return tx.commit()
		}, 2, 2, errAfterwards.Error()},
		"rolled back without a word": {func(_ *worker, tx *hostTx, _ asyncevents.Event, start int) error {
			if start == 1 {
				return tx.rollback()
			}
			return tx.commit()
		}, 2, 2, "was not committed"},
		"left open": {func(w *worker, tx *hostTx, _ asyncevents.Event, start int) error {
			if start == 1 {
				time.AfterFunc(time.Second, func() { assert.NoError(w.t, tx.rollback()) })
				return nil
			}
			return tx.commit()
		}, 2, 2, "was not committed"},
		"cut off": {func(w *worker, tx *hostTx, _ asyncevents.Event, start int) error {
			if start == 1 {
				w.sever(w.t)
				return tx.commit()
			}
			return tx.commit()
		}, 2, 2, ""},
		"open for longer than its lease": {func(_ *worker, tx *hostTx, _ asyncevents.Event, _ int) error {
			time.Sleep(2500 * time.Millisecond)
			return tx.commit()
		}, 1, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			onEveryHost(t, func(t *testing.T, h *host) {
				calls := newReceiver(t, func(int) int { return 200 })
				reader, meters := measured()
				w := startWorkers(t, h, func(c *asyncevents.Config) {
					private(c)
					c.MeterProvider = meters
					c.Lease, c.AttemptTimeout = time.Second, 1400*time.Millisecond
					c.Policy.MaxAttempts = 3
				}, c.how)
				s := w.services[0]
				accept(t, s, fmt.Sprintf(`{"correlation_id":"e0"%s}`, calls.url(0)))
				r := awaitCallback(t, s, "e0", asyncevents.CallbackDelivered)
				assert.Equal(t, asyncevents.StatusProcessed, r.Status)
				assert.Equal(t, c.attempts, r.Attempts)
				assert.JSONEq(t, fmt.Sprintf(`{"success":{"start":%d},"error":[]}`, c.starts), string(r.Response))
				awaitIdle(t, s, asyncevents.EventsQueue)
				awaitIdle(t, s, asyncevents.CallbacksQueue)
				assert.Len(t, w.of("e0"), c.starts)
				assert.Equal(t, []string{"e0"}, h.orders(t), "exactly once")
				assert.Len(t, calls.all(), 1)
				assert.Zero(t, count(t, s, asyncevents.EventsQueue))
				awaitAttempts(t, reader, map[string]int{"processed": 1, "retried": c.attempts - 1})
			})
		})
	}
}

// measured returns a provider of meters that all replicas share, and what reads them.
func measured() (sdkmetric.Reader, *sdkmetric.MeterProvider) {
	reader := sdkmetric.NewManualReader()
	return reader, sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
}

// awaitAttempts waits until as many attempts at events were counted, by their outcome.
func awaitAttempts(t *testing.T, reader sdkmetric.Reader, want map[string]int) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		points := collect(t, reader)
		for _, outcome := range []string{"processed", "retried", "dead_lettered", "not_stored"} {
			assert.InDelta(c, want[outcome], points["redrive.attempts{events,"+outcome+"}"], 0, outcome)
		}
	}, patience, 5*time.Millisecond)
}

// Without a commit the attempts are used up, and say why.
func TestCompleteTxNeverCommitted(t *testing.T) {
	onEachHost(t, func(t *testing.T, h *host) {
		w := startWorkers(t, h, nil, func(_ *worker, tx *hostTx, _ asyncevents.Event, _ int) error { return tx.rollback() })
		accept(t, w.services[0], `{"correlation_id":"e0"}`)
		e := awaitDead(t, w.services[0], asyncevents.EventsQueue, 1)[0]
		require.Len(t, e.Attempts, 5)
		for _, a := range e.Attempts {
			assert.Contains(t, a.Error, "was not committed")
		}
		assert.Empty(t, h.orders(t))
		awaitStatus(t, w.services[0], "e0", asyncevents.StatusFailed)
	})
}

// Who lost its lease before CompleteTx learns it, and changes nothing.
func TestCompleteTxTooLate(t *testing.T) {
	onEachHost(t, func(t *testing.T, h *host) {
		var s *asyncevents.Service
		var seen starts
		released, late := make(chan struct{}), make(chan error, 1)
		b := h.open(t)
		s, err := asyncevents.New(b, func(ctx context.Context, e asyncevents.Event) (any, error) {
			first := seen.add(e.ID) == 1
			if first {
				<-released
			}
			ctx = context.WithoutCancel(ctx) // which has ended
			tx, err := h.begin(ctx)
			if err != nil {
				return nil, err
			}
			err = errors.Join(tx.order(e.ID), s.CompleteTx(ctx, tx.tx, e, first))
			if first {
				late <- err
			}
			if err != nil {
				return nil, errors.Join(err, tx.rollback())
			}
			return nil, tx.commit()
		}, quick(t, func(c *asyncevents.Config) { c.Lease, c.AttemptTimeout = 300*time.Millisecond, 300*time.Millisecond }))
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		accept(t, s, `{"correlation_id":"e0"}`)
		r := awaitStatus(t, s, "e0", asyncevents.StatusProcessed)
		close(released)
		require.ErrorIs(t, <-late, asyncevents.ErrNotHeld)
		cancel()
		require.NoError(t, <-ended)
		assert.Equal(t, []string{"e0"}, h.orders(t))
		assert.JSONEq(t, `{"success":false,"error":[]}`, string(r.Response))
		assert.Equal(t, 2, awaitStatus(t, s, "e0", asyncevents.StatusProcessed).Attempts)
	})
}

// Who rolled back and was overtaken then is not counted as the one who completed the event.
func TestCompleteTxOvertaken(t *testing.T) {
	onEachHost(t, func(t *testing.T, h *host) {
		processed := make(chan struct{})
		reader, meters := measured()
		w := startWorkers(t, h, func(c *asyncevents.Config) {
			c.Lease, c.AttemptTimeout = time.Second, time.Second // time enough for the second start on a busy machine
			c.MeterProvider = meters
		}, func(_ *worker, tx *hostTx, _ asyncevents.Event, start int) error {
			if start > 1 {
				return tx.commit()
			}
			err := tx.rollback()
			<-processed
			return err
		})
		accept(t, w.services[0], `{"correlation_id":"e0"}`)
		r := awaitStatus(t, w.services[0], "e0", asyncevents.StatusProcessed)
		close(processed)
		awaitAttempts(t, reader, map[string]int{"processed": 1, "not_stored": 1})
		assert.JSONEq(t, `{"success":{"start":2},"error":[]}`, string(r.Response))
		assert.Equal(t, []string{"e0"}, h.orders(t))
	})
}

// An event of which the store has no record, because somebody else published it, is completed all the same.
func TestCompleteTxWithoutARecord(t *testing.T) {
	onEachHost(t, func(t *testing.T, h *host) {
		reader, meters := measured()
		w := startWorkers(t, h, func(c *asyncevents.Config) {
			c.MeterProvider = meters
		}, func(_ *worker, tx *hostTx, _ asyncevents.Event, _ int) error { return tx.commit() })
		require.NoError(t, h.open(t).Publisher.Publish("redrive.events", message.NewMessage("e0", []byte(`{}`))))
		awaitAttempts(t, reader, map[string]int{"processed": 1})
		awaitIdle(t, w.services[0], asyncevents.EventsQueue)
		assert.Equal(t, []string{"e0"}, h.orders(t))
	})
}

// Whatever goes wrong with attempts, on two replicas whose connections are terminated, each effect is there exactly once.
func TestCompleteTxExactlyOnce(t *testing.T) {
	events := soak.Long(100, 300)
	onEachHost(t, func(t *testing.T, h *host) {
		w := startWorkers(t, h, func(c *asyncevents.Config) {
			c.Policy = retry.Fixed(20 * time.Millisecond)
			c.Policy.MaxAttempts, c.Lease, c.Concurrency = 20, 500*time.Millisecond, 8
		}, func(_ *worker, tx *hostTx, e asyncevents.Event, start int) error {
			dice := fnv.New32()
			_, _ = fmt.Fprint(dice, e.ID, start)
			switch dice.Sum32() % 6 {
			case 0:
				return errors.Join(tx.rollback(), errAfterwards)
			case 1:
				return tx.rollback()
			case 2:
				return errors.Join(tx.commit(), errAfterwards)
			case 3:
				time.Sleep(20 * time.Millisecond)
			}
			return tx.commit()
		})
		s := w.services[0]
		ids := acceptMany(t, s, "e", events, bare)
		for range 3 {
			time.Sleep(100 * time.Millisecond)
			h.sever(t)
		}
		awaitTally(t, s, ids, map[asyncevents.Status]int{asyncevents.StatusProcessed: events})
		awaitIdle(t, s, asyncevents.EventsQueue)
		slices.Sort(ids)
		assert.Equal(t, ids, h.orders(t))
		t.Logf("starts: %v", w.perEvent())
	})
}

// A processor may go on after its commit, for longer than its lease.
func TestCompleteTxAndOn(t *testing.T) {
	onEachHost(t, func(t *testing.T, h *host) {
		const lease = 300 * time.Millisecond
		ended := make(chan error, 1)
		var s *asyncevents.Service
		ready := make(chan struct{})
		s, _ = run(t, h.open(t), func(ctx context.Context, e asyncevents.Event) (any, error) {
			<-ready
			tx, err := h.begin(ctx)
			if err == nil {
				err = errors.Join(tx.order(e.ID), s.CompleteTx(ctx, tx.tx, e, "done"), tx.commit())
			}
			if err == nil {
				select {
				case <-ctx.Done():
					err = ctx.Err()
				case <-time.After(3 * lease):
				}
			}
			ended <- err
			return nil, err
		}, func(c *asyncevents.Config) { c.Lease = lease })
		close(ready)
		accept(t, s, `{"correlation_id":"e0"}`)
		require.NoError(t, <-ended)
		awaitStatus(t, s, "e0", asyncevents.StatusProcessed)
		assert.Equal(t, []string{"e0"}, h.orders(t))
	})
}
