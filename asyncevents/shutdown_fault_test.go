package asyncevents_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/asyncevents/callback"
	"github.com/redrive-go/redrive/backends/memory"
	"github.com/redrive-go/redrive/retry"
)

// working returns a processor that takes some time, whatever its context says, and counts its starts.
func working(seen *starts, took time.Duration) asyncevents.Processor {
	return func(_ context.Context, e asyncevents.Event) (any, error) {
		seen.add(e.ID)
		<-time.After(took)
		return nil, nil
	}
}

func TestShutdownWaitsForHandlers(t *testing.T) {
	onEachPlace(t, func(t *testing.T, open place) {
		var seen starts
		some := func(c *asyncevents.Config) { c.Concurrency = 40 }
		s, stop := run(t, open(t), working(&seen, 300*time.Millisecond), some)
		ids := acceptMany(t, s, "e", 100, bare)
		await(t, "40 running handlers", func() bool { return seen.perEvent()[1] >= 40 })
		require.NoError(t, stop())
		started := seen.perEvent()[1]
		assert.Less(t, started, 100, "the rest must wait for the next run")
		awaitTally(t, s, ids, map[asyncevents.Status]int{
			asyncevents.StatusProcessed: started, asyncevents.StatusQueued: 100 - started,
		})
		s, _ = run(t, open(t), working(&seen, time.Millisecond), some)
		awaitTally(t, s, ids, map[asyncevents.Status]int{asyncevents.StatusProcessed: 100})
		assert.Equal(t, map[int]int{1: 100}, seen.perEvent(), "none ran twice")
		for _, id := range ids {
			r, err := s.Status(t.Context(), id)
			require.NoError(t, err)
			assert.Equal(t, 1, r.Attempts)
		}
	})
}

func TestShutdownLeavesStuckHandlersBehind(t *testing.T) {
	onEachPlace(t, func(t *testing.T, open place) {
		started, released := make(chan struct{}), make(chan struct{})
		release := sync.OnceFunc(func() { close(released) })
		t.Cleanup(release)
		ended := make(chan struct{})
		s, stop := run(t, open(t), func(context.Context, asyncevents.Event) (any, error) {
			defer close(ended)
			close(started)
			<-released
			return "too late", nil
		}, func(c *asyncevents.Config) { c.ShutdownTimeout = 100 * time.Millisecond })
		acceptMany(t, s, "e", 1, bare)
		<-started
		asked := time.Now()
		require.ErrorContains(t, stop(), "did not end in time")
		assert.GreaterOrEqual(t, time.Since(asked), 100*time.Millisecond)
		assert.Less(t, time.Since(asked), patience)
		select {
		case <-ended:
			t.Fatal("the handler was not left behind")
		default:
		}
		seen := make(chan asyncevents.Event, 10)
		again, _ := run(t, open(t), func(_ context.Context, e asyncevents.Event) (any, error) {
			seen <- e
			return "in time", nil
		}, nil)
		assert.Equal(t, 2, (<-seen).Attempt)
		awaitStatus(t, again, "e0", asyncevents.StatusProcessed)
		release()
		<-ended
		awaitIdle(t, again, asyncevents.EventsQueue)
		r := awaitStatus(t, again, "e0", asyncevents.StatusProcessed)
		assert.Equal(t, 2, r.Attempts)
		assert.JSONEq(t, `{"success":"in time","error":[]}`, string(r.Response))
		assert.Empty(t, seen)
	})
}

func TestShutdownEndsHandlersThatListen(t *testing.T) {
	onEachPlace(t, func(t *testing.T, open place) {
		var seen starts
		process := func(ctx context.Context, e asyncevents.Event) (any, error) {
			if seen.add(e.ID) == 1 {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return e.Attempt, nil
		}
		s, stop := run(t, open(t), process, func(c *asyncevents.Config) { c.ShutdownTimeout = 100 * time.Millisecond })
		ids := acceptMany(t, s, "e", 10, bare)
		await(t, "10 running handlers", func() bool { return seen.perEvent()[1] == 10 })
		require.NoError(t, stop())
		awaitTally(t, s, ids, map[asyncevents.Status]int{asyncevents.StatusQueued: 10})
		s, _ = run(t, open(t), process, nil)
		awaitTally(t, s, ids, map[asyncevents.Status]int{asyncevents.StatusProcessed: 10})
		assert.Equal(t, map[int]int{2: 10}, seen.perEvent())
		assert.Zero(t, count(t, s, asyncevents.EventsQueue), "a shutdown says nothing about an event")
		for _, id := range ids {
			r := awaitStatus(t, s, id, asyncevents.StatusProcessed)
			assert.Equal(t, 2, r.Attempts)
			assert.JSONEq(t, `{"success":2,"error":[]}`, string(r.Response))
		}
	})
}

// slowCloser is a subscriber that needs some time to give back what it holds.
type slowCloser struct {
	message.Subscriber
	takes  time.Duration
	closed *atomic.Int64
}

// Close implements message.Subscriber.
func (s *slowCloser) Close() error {
	err := s.Subscriber.Close()
	time.Sleep(s.takes)
	s.closed.Add(1)
	return err
}

// runSlowly runs a service, in a bubble, whose subscribers take some time to close, and returns after how long Run
// ended, and how.
func runSlowly(t *testing.T, takes time.Duration, closed *atomic.Int64) (took time.Duration, err error) {
	b := memory.New()
	slow := *b
	slow.Subscriber = func(c asyncevents.SubscriberConfig) (message.Subscriber, error) {
		s, err := b.Subscriber(c)
		return &slowCloser{s, takes, closed}, err
	}
	s, stop := run(t, &slow, working(new(starts), 0), func(c *asyncevents.Config) { c.ShutdownTimeout = time.Second })
	acceptMany(t, s, "e", 1, bare)
	awaitStatus(t, s, "e0", asyncevents.StatusProcessed)
	asked := time.Now()
	err = stop()
	return time.Since(asked), err
}

// What Run leaves behind nobody holds any more: a host may close the backend.
func TestRunWaitsForSubscribers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var closed atomic.Int64
		_, err := runSlowly(t, 2*time.Second, &closed)
		require.NoError(t, err)
		assert.GreaterOrEqual(t, closed.Load(), int64(2), "one of each queue")
	})
}

func TestRunLeavesStuckSubscribersBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var closed atomic.Int64
		took, err := runSlowly(t, time.Hour, &closed)
		require.ErrorContains(t, err, "did not take back in time")
		assert.Zero(t, closed.Load())
		assert.Equal(t, 4*time.Second, took, "the timeout, and the time for outcomes")
		time.Sleep(2 * time.Hour)
	})
}

func TestRunAgain(t *testing.T) {
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		calls := newReceiver(t, func(int) int { return http.StatusOK })
		var f failing
		s, err := asyncevents.New(b, f.process, quick(t, func(c *asyncevents.Config) {
			c.Callbacks = &callback.Config{AllowPrivate: true, Logger: c.Logger}
		}))
		require.NoError(t, err)
		for round := range 3 {
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			go func() { ended <- s.Run(ctx) }()
			id := acceptMany(t, s, fmt.Sprintf("r%d-", round), 1, calls.url)[0]
			awaitCallback(t, s, id, asyncevents.CallbackDelivered)
			require.ErrorIs(t, s.Run(ctx), asyncevents.ErrRunning)
			cancel()
			require.NoError(t, <-ended)
		}
		assert.Len(t, calls.all(), 3)

		ended, cancel := context.WithCancel(context.Background())
		cancel()
		require.NoError(t, s.Run(ended), "an ended context is a clean drain of nothing")
	})
}

func TestCloseBeforeRun(t *testing.T) {
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		require.NoError(t, b.Close())
		require.NoError(t, b.Close())
		subscribing := make(chan struct{}, 2)
		closed := *b
		closed.Subscriber = func(c asyncevents.SubscriberConfig) (message.Subscriber, error) {
			subscribing <- struct{}{}
			return b.Subscriber(c)
		}
		s, err := asyncevents.New(&closed, (&failing{}).process, quick(t, nil))
		require.NoError(t, err)
		require.Error(t, s.Ping(t.Context()))
		_, err = s.Accept(t.Context(), asyncevents.Submission{Body: []byte(`{}`)})
		require.Error(t, err)
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		<-subscribing
		<-subscribing
		cancel()
		select {
		case err := <-ended:
			require.NoError(t, err, "a store that is away is waited for")
		case <-time.After(patience):
			t.Fatal("Run did not return")
		}
		require.NoError(t, b.Close())
	})
}

func TestNewNamesEveryFault(t *testing.T) {
	t.Parallel()
	_, err := asyncevents.New(nil, nil, &asyncevents.Config{
		MaxBodyBytes: -1, CallbackConcurrency: -2, Concurrency: -3, Lease: time.Millisecond, AttemptTimeout: -1,
		ShutdownTimeout: -1, PollInterval: -1, TopicPrefix: fmt.Sprintf("%064d", 0),
		Policy: retry.Policy{MaxAttempts: -1}, CallbackPolicy: retry.Policy{Multiplier: 0.5},
		Callbacks: &callback.Config{Secrets: []string{"secret"}},
	})
	for _, name := range []string{
		"backend", "process", "MaxBodyBytes", "CallbackConcurrency", "Concurrency must", "Lease", "AttemptTimeout",
		"ShutdownTimeout", "PollInterval", "TopicPrefix", "Policy: MaxAttempts", "CallbackPolicy: Multiplier",
		"Callbacks: Secrets[0]",
	} {
		require.ErrorContains(t, err, name)
	}
	assert.NotContains(t, err.Error(), `"secret"`)
	_, err = asyncevents.New(&asyncevents.Backend{}, nil, nil)
	for _, name := range []string{"Subscriber", "Events", "DeadLetters", "Jobs", "Exports", "Audit"} {
		require.ErrorContains(t, err, "Backend."+name)
	}
	b := memory.New()
	_, err = asyncevents.New(b, nil, quick(t, nil))
	require.EqualError(t, err, "asyncevents: process must not be nil")
	require.NoError(t, b.Close())
}

func TestTenStartAtOnceOnNothing(t *testing.T) {
	onEachStore(t, func(t *testing.T, d *database) {
		const replicas, each = 10, 20
		opened := make([]*asyncevents.Backend, replicas)
		var opening sync.WaitGroup
		for i := range opened {
			opening.Go(func() { opened[i] = d.open(t) })
		}
		opening.Wait()
		var seen starts
		var ids []string
		var last *asyncevents.Service
		for i, b := range opened {
			require.NotNil(t, b)
			last, _ = run(t, b, working(&seen, time.Millisecond), func(c *asyncevents.Config) {
				c.PollInterval = 50 * time.Millisecond
			})
			ids = append(ids, acceptMany(t, last, fmt.Sprintf("s%d-", i), each, bare)...)
		}
		awaitTally(t, last, ids, map[asyncevents.Status]int{asyncevents.StatusProcessed: replicas * each})
		assert.Equal(t, map[int]int{1: replicas * each}, seen.perEvent())
		alone := d.another(t)
		alone.open(t)
		assert.Equal(t, alone.tables(t), d.tables(t))
		assert.NotEmpty(t, d.tables(t))
	})
}

func TestHandlerOutlastsItsLease(t *testing.T) {
	lease := time.Duration(1+slowdown/2) * time.Second
	onEachPlace(t, func(t *testing.T, open place) {
		var seen starts
		short := func(c *asyncevents.Config) { c.Lease, c.PollInterval = lease, 50*time.Millisecond }
		s, _ := run(t, open(t), working(&seen, 5*lease/2), short)
		run(t, open(t), working(&seen, 5*lease/2), short)
		ids := acceptMany(t, s, "e", 20, bare)
		awaitTally(t, s, ids, map[asyncevents.Status]int{asyncevents.StatusProcessed: 20})
		assert.Equal(t, map[int]int{1: 20}, seen.perEvent())
		for _, id := range ids {
			assert.Equal(t, 1, awaitStatus(t, s, id, asyncevents.StatusProcessed).Attempts)
		}
	})
}

func TestTwoReplicas(t *testing.T) {
	onEachPlace(t, func(t *testing.T, open place) {
		var all starts
		var share [2]atomic.Int64
		replica := func(i int) (*asyncevents.Service, func() error) {
			return run(t, open(t), func(_ context.Context, e asyncevents.Event) (any, error) {
				all.add(e.ID)
				share[i].Add(1)
				<-time.After(5 * time.Millisecond)
				return nil, nil
			}, func(c *asyncevents.Config) { c.Concurrency, c.PollInterval = 5, 5*time.Millisecond })
		}
		first, stopFirst := replica(0)
		second, _ := replica(1)
		ids := append(acceptMany(t, first, "a", 200, bare), acceptMany(t, second, "b", 200, bare)...)
		awaitTally(t, second, ids, map[asyncevents.Status]int{asyncevents.StatusProcessed: 400})
		assert.Equal(t, map[int]int{1: 400}, all.perEvent(), "each by exactly one")
		assert.Positive(t, share[0].Load())
		assert.Positive(t, share[1].Load())
		require.NoError(t, stopFirst())
		before := share[0].Load()
		// Intake of the one that stopped goes on working, and the other does the work.
		ids = append(ids, acceptMany(t, first, "c", 100, bare)...)
		awaitTally(t, second, ids, map[asyncevents.Status]int{asyncevents.StatusProcessed: 500})
		assert.Equal(t, map[int]int{1: 500}, all.perEvent())
		assert.Equal(t, before, share[0].Load())
	})
}
