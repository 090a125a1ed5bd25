package asyncevents_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/memory"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/export"
	"github.com/redrive-go/redrive/retry"
)

// fill puts entries into the Events DLQ, of the events "dead0", "dead1" and so on.
func fill(t *testing.T, b *asyncevents.Backend, n int) {
	t.Helper()
	var adding sync.WaitGroup
	next := make(chan int)
	for range 64 {
		adding.Go(func() {
			for i := range next {
				id := fmt.Sprintf("dead%d", i)
				assert.NoError(t, b.DeadLetters.Add(context.Background(), dlq.Entry{
					Queue: asyncevents.EventsQueue, Topic: eventsTopic, MessageID: id, CorrelationID: id,
					Payload: []byte(`{}`), Failure: dlq.Failure{Type: "test", Message: "filled in"},
				}))
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	adding.Wait()
}

// hopeless is a processor that fails at once and for good.
func hopeless(context.Context, asyncevents.Event) (any, error) {
	return nil, retry.Permanent(errors.New("no such account"))
}

// An operator finds each new dead letter in the log by its correlation id, without its payload or what its error said.
func TestDeadLetterIsLogged(t *testing.T) {
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		var log record
		s, stop := run(t, b, hopeless, func(cfg *asyncevents.Config) {
			cfg.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
		})
		acceptMany(t, s, "e", 1, func(int) string { return `,"customer":"Ada"` })
		awaitDead(t, s, asyncevents.EventsQueue, 1)
		require.NoError(t, stop())
		assert.Equal(t, 1, strings.Count(log.String(), "\n"))
		assert.Contains(t, log.String(), `msg="message dead-lettered" queue=events correlation_id=e0 attempts=1 error_type=`)
		assert.NotContains(t, log.String(), "Ada")
		assert.NotContains(t, log.String(), "no such account")
	})
}

// record is a log that may be read while it is written.
type record struct {
	mu   sync.Mutex
	text strings.Builder
}

func (r *record) Write(line []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(line)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

func TestOneEntryRetriedByHundred(t *testing.T) {
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		var f failing
		s, _ := run(t, b, f.process, nil)
		acceptMany(t, s, "e", 1, func(int) string { return `,"fail":5` })
		e := awaitDead(t, s, asyncevents.EventsQueue, 1)[0]
		var moved, gone atomic.Int64
		var clicking sync.WaitGroup
		for range 100 {
			clicking.Go(func() {
				switch _, err := s.DeadLetters().Retry(context.Background(), asyncevents.EventsQueue, e.ID); {
				case err == nil:
					moved.Add(1)
				case assert.ErrorIs(t, err, dlq.ErrNotFound):
					gone.Add(1)
				}
			})
		}
		clicking.Wait()
		assert.EqualValues(t, 1, moved.Load())
		assert.EqualValues(t, 99, gone.Load())
		assert.Equal(t, 6, awaitStatus(t, s, "e0", asyncevents.StatusProcessed).Attempts)
		awaitIdle(t, s, asyncevents.EventsQueue)
		assert.EqualValues(t, 6, f.of("e0"), "processed once")
		assert.Zero(t, count(t, s, asyncevents.EventsQueue))
	})
}

// eraseHook calls back before each step of an Erase.
type eraseHook struct {
	dlq.Store
	before func(step int)
	steps  int
}

func (h *eraseHook) Erase(ctx context.Context, p dlq.EraseParams) (int64, error) {
	h.steps++
	h.before(h.steps)
	return h.Store.Erase(ctx, p)
}

func TestEraseWhileEventsFailIn(t *testing.T) {
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		entries := min(2_500, few(b, 12_500)) // more than one step
		fill(t, b, entries)
		hooked := *b
		hook := &eraseHook{Store: b.DeadLetters}
		hooked.DeadLetters = hook
		s, _ := run(t, &hooked, hopeless, nil)
		hook.before = func(step int) {
			for _, id := range acceptMany(t, s, fmt.Sprintf("late%d-", step), 5, bare) {
				awaitStatus(t, s, id, asyncevents.StatusFailed)
			}
		}
		erased, err := s.DeadLetters().Erase(t.Context(), asyncevents.EventsQueue, dlq.Filter{}, int64(entries))
		require.NoError(t, err)
		assert.EqualValues(t, entries, erased)
		late := 5 * hook.steps
		for _, e := range awaitDead(t, s, asyncevents.EventsQueue, late) {
			assert.Contains(t, e.CorrelationID, "late")
		}

		_, err = s.DeadLetters().Erase(t.Context(), asyncevents.EventsQueue, dlq.Filter{}, int64(entries))
		var wrong *dlq.CountError
		require.ErrorAs(t, err, &wrong)
		assert.Equal(t, dlq.CountError{Confirmed: int64(entries), Present: int64(late), UpTo: wrong.UpTo}, *wrong)
		assert.Positive(t, wrong.UpTo)
		assert.EqualValues(t, late, count(t, s, asyncevents.EventsQueue))
		awaitIdle(t, s, asyncevents.EventsQueue)
		for step := 1; step <= hook.steps; step++ {
			awaitStatus(t, s, fmt.Sprintf("late%d-0", step), asyncevents.StatusFailed)
		}
	})
}

// exported is an export file, read strictly.
type exported struct {
	Queue   string `json:"queue"`
	Count   int    `json:"count"`
	Entries []struct {
		CorrelationID string          `json:"correlation_id"`
		Payload       json.RawMessage `json:"payload"`
		PayloadBase64 string          `json:"payload_base64"`
		Error         dlq.Failure     `json:"error"`
		Attempts      retry.History   `json:"attempts"`
	} `json:"entries"`
}

// exportEvents exports the Events DLQ and reads the file.
func exportEvents(t *testing.T, s *asyncevents.Service) exported {
	t.Helper()
	r, err := s.Exports().Start(t.Context(), export.StartParams{Queue: asyncevents.EventsQueue, By: "test"})
	require.NoError(t, err)
	await(t, "the export", func() bool {
		r, err = s.Exports().Get(context.Background(), r.ID)
		return err == nil && r.State == export.StateCompleted
	})
	file, r, err := s.Exports().Open(t.Context(), r.ID)
	require.NoError(t, err)
	text, err := io.ReadAll(file)
	require.NoError(t, errors.Join(err, file.Close()))
	assert.EqualValues(t, len(text), r.Bytes)
	var x exported
	require.NoError(t, json.Unmarshal(text, &x))
	assert.EqualValues(t, r.Count, x.Count)
	assert.Len(t, x.Entries, x.Count)
	return x
}

func TestExportWhileConsuming(t *testing.T) {
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		var f failing
		s, _ := run(t, b, func(ctx context.Context, e asyncevents.Event) (any, error) {
			if e.Action == "fail" {
				return hopeless(ctx, e)
			}
			return f.process(ctx, e)
		}, nil)
		failed := func(int) string { return `,"action":"fail"` }
		before := acceptMany(t, s, "before", 300, failed)
		awaitTally(t, s, before, map[asyncevents.Status]int{asyncevents.StatusFailed: 300})
		var during, good []string
		var accepting sync.WaitGroup
		accepting.Go(func() { during = acceptMany(t, s, "during", 300, failed) })
		accepting.Go(func() { good = acceptMany(t, s, "good", 300, bare) })
		x := exportEvents(t, s)
		accepting.Wait()
		awaitTally(t, s, good, map[asyncevents.Status]int{asyncevents.StatusProcessed: 300})
		assert.GreaterOrEqual(t, x.Count, 300)

		within := map[string]bool{}
		for _, e := range x.Entries {
			within[e.CorrelationID] = true
			assert.Equal(t, "no such account", e.Error.Message)
			assert.Len(t, e.Attempts, 1)
		}
		require.Len(t, within, x.Count, "each once")
		await(t, "all to fail", func() bool { return count(t, s, asyncevents.EventsQueue) == 600 })
		for _, id := range append(before, during...) {
			want := asyncevents.StatusFailed
			if within[id] {
				want = asyncevents.StatusExported
			}
			awaitStatus(t, s, id, want)
		}
		for _, id := range before {
			assert.True(t, within[id], id)
		}
	})
}

func TestExportKeepsPayloads(t *testing.T) {
	bodies := []string{
		"{ \"a\" : 1.0,\r\n\t\"a2\":1e400, \"b\":\"\\u00e9 é \\u2028 <&> \\/\" , \"c\":[ ],\"d\":12345678901234567890123 }",
		`{"data":{"` + "\U0001F600" + `":null}}`,
	}
	odd := [][]byte{[]byte("\x00\x01\xff\xfe"), {}, []byte(`{"cut":`), []byte("\"\xff\""), []byte(`[1,2]`)}
	onEach(t, func(t *testing.T, b *asyncevents.Backend) {
		s, _ := run(t, b, hopeless, nil)
		want := map[string]string{}
		for _, body := range bodies {
			want[accept(t, s, body)] = body
		}
		for i, payload := range odd {
			id := fmt.Sprintf("odd%d", i)
			want[id] = string(payload)
			require.NoError(t, b.Publisher.Publish(eventsTopic, message.NewMessage(id, payload)))
		}
		awaitDead(t, s, asyncevents.EventsQueue, len(want))
		x := exportEvents(t, s)
		require.Equal(t, len(want), x.Count)
		for _, e := range x.Entries {
			payload := string(e.Payload)
			if payload == "" {
				bytes, err := base64.StdEncoding.DecodeString(e.PayloadBase64)
				require.NoError(t, err)
				payload = string(bytes)
			}
			assert.Equal(t, want[e.CorrelationID], payload, e.CorrelationID)
		}
	})
}

// deliverOne claims the only message of the events queue.
func deliverOne(t *testing.T, b *asyncevents.Backend) *message.Message {
	t.Helper()
	subscriber, err := b.Subscriber(asyncevents.SubscriberConfig{})
	require.NoError(t, err)
	messages, err := subscriber.Subscribe(t.Context(), eventsTopic)
	require.NoError(t, err)
	msg := <-messages
	t.Cleanup(func() {
		msg.Ack()
		assert.NoError(t, subscriber.Close())
	})
	return msg
}

// settlement is the settlement of a delivered event that goes to the DLQ.
func settlement(msg *message.Message) asyncevents.Settlement {
	entry := dlq.EntryOf(msg, asyncevents.EventsQueue, dlq.Failure{Type: "test", Message: "boom"})
	return asyncevents.Settlement{
		CorrelationID: msg.UUID, Queue: asyncevents.EventsQueue, Status: asyncevents.StatusFailed, Attempts: 1,
		DeadLetter: &entry,
	}
}

func TestIntoTheDLQIsOutOfTheQueue(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, d *database) {
		b := d.open(t)
		s, err := asyncevents.New(b, hopeless, quick(t, nil))
		require.NoError(t, err)
		acceptMany(t, s, "e", 1, bare)
		msg := deliverOne(t, b)
		held := asyncevents.Backlog{InFlight: 1}
		faults := []string{
			"BEFORE INSERT ON dead_letters", "AFTER INSERT ON dead_letters", "AFTER DELETE ON messages",
			"AFTER UPDATE ON events", "AFTER UPDATE ON dlqs",
		}
		if d.kind == "sqlite" {
			faults = append(faults, "AFTER DELETE ON deliveries")
		}
		for _, fault := range faults {
			mend := d.injure(t, fault)
			require.ErrorContains(t, b.Events.Settle(msg.Context(), settlement(msg)), "injected", fault)
			mend()
			assert.Zero(t, count(t, s, asyncevents.EventsQueue), fault)
			backlog, _, err := s.Backlog(t.Context(), asyncevents.EventsQueue)
			require.NoError(t, err)
			assert.Equal(t, held, backlog, fault)
			awaitStatus(t, s, "e0", asyncevents.StatusQueued)
		}
		require.NoError(t, b.Events.Settle(msg.Context(), settlement(msg)))
		awaitIdle(t, s, asyncevents.EventsQueue)
		assert.EqualValues(t, 1, count(t, s, asyncevents.EventsQueue))
		awaitStatus(t, s, "e0", asyncevents.StatusFailed)
		require.ErrorIs(t, b.Events.Settle(msg.Context(), settlement(msg)), asyncevents.ErrNotHeld)
		assert.EqualValues(t, 1, count(t, s, asyncevents.EventsQueue))
	})
}

func TestIntoTheDLQIsOutOfTheQueueInMemory(t *testing.T) {
	t.Parallel()
	b := memory.New()
	s, err := asyncevents.New(b, hopeless, quick(t, nil))
	require.NoError(t, err)
	acceptMany(t, s, "e", 1, bare)
	msg := deliverOne(t, b)
	ended, cancel := context.WithCancel(msg.Context())
	cancel()
	require.ErrorIs(t, b.Events.Settle(ended, settlement(msg)), context.Canceled)
	assert.Zero(t, count(t, s, asyncevents.EventsQueue))
	backlog, _, err := s.Backlog(t.Context(), asyncevents.EventsQueue)
	require.NoError(t, err)
	assert.Equal(t, asyncevents.Backlog{InFlight: 1}, backlog)
	require.NoError(t, b.Events.Settle(msg.Context(), settlement(msg)))
	awaitIdle(t, s, asyncevents.EventsQueue)
	assert.EqualValues(t, 1, count(t, s, asyncevents.EventsQueue))
}

// A store that fails for every dead letter, in the middle of its transaction, as a full disk would.
func TestDeadLetterTableFails(t *testing.T) {
	onEachStore(t, func(t *testing.T, d *database) {
		b := d.open(t)
		mend := d.injure(t, "BEFORE INSERT ON dead_letters")
		var f failing
		s, _ := run(t, b, f.process, nil)
		ids := acceptMany(t, s, "e", 100, func(i int) string { return fmt.Sprintf(`,"fail":%d`, 99*(i%2)) })
		awaitTally(t, s, ids, map[asyncevents.Status]int{asyncevents.StatusProcessed: 50, asyncevents.StatusQueued: 50})
		await(t, "five starts each", func() bool {
			for i := 1; i < 100; i += 2 {
				if f.of(fmt.Sprintf("e%d", i)) < 5 {
					return false
				}
			}
			return true
		})
		assert.Zero(t, count(t, s, asyncevents.EventsQueue))
		mend()
		awaitTally(t, s, ids, map[asyncevents.Status]int{asyncevents.StatusProcessed: 50, asyncevents.StatusFailed: 50})
		for _, e := range awaitDead(t, s, asyncevents.EventsQueue, 50) {
			assert.EqualValues(t, 5, f.of(e.CorrelationID))
			assert.Len(t, e.Attempts, 5)
		}
		awaitIdle(t, s, asyncevents.EventsQueue)
	})
}
