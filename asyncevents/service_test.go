package asyncevents_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/export"
	"github.com/redrive-go/redrive/retry"
)

// quick is a configuration for tests: short waits, quiet, exports in a folder of the test's own.
func quick(t *testing.T, change func(*asyncevents.Config)) *asyncevents.Config {
	exports, err := export.NewFolder(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, exports.Close()) })
	cfg := &asyncevents.Config{
		Policy:         retry.Fixed(20 * time.Millisecond),
		CallbackPolicy: retry.Fixed(20 * time.Millisecond),
		Exports:        exports,
		Logger:         slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(cfg)
	}
	return cfg
}

// run starts a service and returns how to stop it, which happens at the test's end at the latest.
func run(t *testing.T, b *asyncevents.Backend, p asyncevents.Processor, change func(*asyncevents.Config)) (
	s *asyncevents.Service, stop func() error,
) {
	s, err := asyncevents.New(b, p, quick(t, change))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		err := s.Run(ctx)
		if ctx.Err() == nil {
			t.Logf("Run ended by itself: %v", err)
		}
		ended <- err
	}()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() { _ = stop() })
	return s, stop
}

func accept(t *testing.T, s *asyncevents.Service, body string) string {
	t.Helper()
	a, err := s.Accept(t.Context(), asyncevents.Submission{Body: []byte(body)})
	require.NoError(t, err)
	require.Equal(t, asyncevents.StatusQueued, a.Status)
	return a.CorrelationID
}

func awaitStatus(t *testing.T, s *asyncevents.Service, id string, want asyncevents.Status) asyncevents.Record {
	t.Helper()
	var r asyncevents.Record
	require.Eventually(t, func() (ok bool) {
		var err error
		r, err = s.Status(t.Context(), id)
		require.NoError(t, err)
		return r.Status == want
	}, patience, 5*time.Millisecond, "want %s, have %s", want, r.Status)
	return r
}

func TestProcessed(t *testing.T) {
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		body := "{ \"customer\":\"c\", \"action\" : \"a\",\n \"data\":{\"x\":[1, 2]} , \"more\":\"ünï\"}"
		seen := make(chan asyncevents.Event, 1)
		s, _ := run(t, b, func(_ context.Context, e asyncevents.Event) (any, error) {
			seen <- e
			return map[string]int{"points": 7}, nil
		}, nil)
		id := accept(t, s, body)
		e := <-seen
		assert.Equal(t, body, string(e.Body))
		assert.Equal(t, id, e.ID)
		assert.Equal(t, 1, e.Attempt)
		assert.Equal(t, "c", e.Customer)
		assert.Equal(t, "a", e.Action)
		assert.Equal(t, `{"x":[1, 2]}`, string(e.Data))
		r := awaitStatus(t, s, id, asyncevents.StatusProcessed)
		assert.Equal(t, 1, r.Attempts)
		assert.JSONEq(t, `{"success":{"points":7},"error":[]}`, string(r.Response))
	})
}

func TestRefused(t *testing.T) {
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		s, _ := run(t, b, func(context.Context, asyncevents.Event) (any, error) {
			return nil, fmt.Errorf("wrapped: %w", asyncevents.Reject("NotEnoughPoints", 7, "only 3 left"))
		}, nil)
		id := accept(t, s, `{}`)
		r := awaitStatus(t, s, id, asyncevents.StatusError)
		assert.JSONEq(t, `{"success":[],"error":{"type":"NotEnoughPoints","code":7,"message":"only 3 left"}}`, string(r.Response))
		stats, err := s.DeadLetters().Stat(t.Context(), asyncevents.EventsQueue)
		require.NoError(t, err)
		assert.Zero(t, stats.Count)
	})
}

// failing counts the starts of each event and fails the first n of them, as its body says.
type failing struct{ starts sync.Map }

func (f *failing) process(_ context.Context, e asyncevents.Event) (any, error) {
	n, _ := f.starts.LoadOrStore(e.ID, new(atomic.Int64))
	started := n.(*atomic.Int64).Add(1)
	var body struct{ Fail int64 }
	if err := json.Unmarshal(e.Body, &body); err != nil {
		return nil, err
	}
	if started <= body.Fail {
		return nil, fmt.Errorf("failure %d", started)
	}
	return nil, nil
}

func (f *failing) of(id string) int64 {
	n, ok := f.starts.Load(id)
	if !ok {
		return 0
	}
	return n.(*atomic.Int64).Load()
}

func TestFailsThenSucceeds(t *testing.T) {
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		var f failing
		s, _ := run(t, b, f.process, nil)
		ids := map[int]string{}
		for k := range 5 {
			ids[k] = accept(t, s, fmt.Sprintf(`{"fail":%d}`, k))
		}
		for k, id := range ids {
			r := awaitStatus(t, s, id, asyncevents.StatusProcessed)
			assert.Equal(t, k+1, r.Attempts)
			assert.EqualValues(t, k+1, f.of(id))
		}
	})
}

func TestAlwaysFailing(t *testing.T) {
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		events := few(b, 1000)
		var f failing
		s, _ := run(t, b, f.process, nil)
		var accepting sync.WaitGroup
		for i := range events {
			accepting.Go(func() {
				_, err := s.Accept(context.Background(), asyncevents.Submission{
					Body: fmt.Appendf(nil, `{"correlation_id":"e%d","fail":99}`, i)})
				assert.NoError(t, err)
			})
		}
		accepting.Wait()
		require.Eventually(t, func() bool {
			stats, err := s.DeadLetters().Stat(t.Context(), asyncevents.EventsQueue)
			return err == nil && stats.Count == int64(events)
		}, patience, 20*time.Millisecond)
		for i := range events {
			assert.EqualValues(t, 5, f.of(fmt.Sprintf("e%d", i)))
		}
		entries, err := b.DeadLetters.List(t.Context(), dlqAll)
		require.NoError(t, err)
		require.Len(t, entries, events)
		for _, e := range entries {
			require.Len(t, e.Attempts, 5)
			for i, a := range e.Attempts {
				assert.Equal(t, i+1, a.Number)
				assert.Equal(t, fmt.Sprintf("failure %d", i+1), a.Error)
				if i > 0 {
					assert.GreaterOrEqual(t, a.StartedAt.Sub(e.Attempts[i-1].StartedAt), 20*time.Millisecond)
				}
			}
		}
		r := awaitStatus(t, s, "e0", asyncevents.StatusFailed)
		assert.Equal(t, 5, r.Attempts)
	})
}

func TestPermanentAndPanic(t *testing.T) {
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		var starts atomic.Int64
		s, _ := run(t, b, func(_ context.Context, e asyncevents.Event) (any, error) {
			if e.Action == "panic" {
				starts.Add(1)
				panic("boom")
			}
			return nil, retry.Permanent(errors.New("no such account"))
		}, nil)
		permanent, panics := accept(t, s, `{"action":"permanent"}`), accept(t, s, `{"action":"panic"}`)
		assert.Equal(t, 1, awaitStatus(t, s, permanent, asyncevents.StatusFailed).Attempts)
		assert.Equal(t, 5, awaitStatus(t, s, panics, asyncevents.StatusFailed).Attempts)
		assert.EqualValues(t, 5, starts.Load())
		entries, err := b.DeadLetters.List(t.Context(), dlqAll)
		require.NoError(t, err)
		require.Len(t, entries, 2)
		assert.Equal(t, "no such account", entries[0].Failure.Message)
		assert.Equal(t, "panic", entries[1].Failure.Type)
		assert.Equal(t, "panic: boom", entries[1].Failure.Message)
		assert.Contains(t, entries[1].Failure.Stack, "goroutine")
	})
}
