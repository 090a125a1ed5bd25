package asyncevents_test

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/internal/soak"
	"github.com/redrive-go/redrive/internal/testserver"
	"github.com/redrive-go/redrive/retry"
)

// persistent sends events, each again until it is accepted, from several goroutines until it is told to stop.
type persistent struct {
	accepted atomic.Int64
	refused  atomic.Int64
	stopped  atomic.Bool
	sending  sync.WaitGroup
}

func (p *persistent) start(s *asyncevents.Service, senders int) {
	var next atomic.Int64
	for range senders {
		p.sending.Go(func() {
			for !p.stopped.Load() {
				body := fmt.Appendf(nil, `{"correlation_id":"e%d"}`, next.Add(1)-1)
				for {
					if _, err := s.Accept(context.Background(), asyncevents.Submission{Body: body}); err == nil {
						break
					}
					p.refused.Add(1)
					time.Sleep(5 * time.Millisecond)
				}
				p.accepted.Add(1)
				time.Sleep(breath)
			}
		})
	}
}

// stop returns the ids of all events: each was accepted.
func (p *persistent) stop() []string {
	p.stopped.Store(true)
	p.sending.Wait()
	ids := make([]string, p.accepted.Load())
	for i := range ids {
		ids[i] = fmt.Sprintf("e%d", i)
	}
	return ids
}

func TestConnectionsTerminated(t *testing.T) {
	times, every := soak.Long(3, 30), soak.Long(300*time.Millisecond, 2*time.Second)
	onEachServer(t, func(t *testing.T, d *database) {
		var seen starts
		s, _ := run(t, d.open(t), working(&seen, 5*time.Millisecond), func(c *asyncevents.Config) {
			c.Lease = 2 * time.Second // of claims that were committed, but of which nobody heard
		})
		var p persistent
		p.start(s, 8)
		var cut int
		for range times {
			time.Sleep(every)
			cut += d.sever(t)
		}
		ids := p.stop()
		require.Positive(t, cut)
		awaitTally(t, s, ids, map[asyncevents.Status]int{asyncevents.StatusProcessed: len(ids)})
		awaitIdle(t, s, asyncevents.EventsQueue)
		runs := 0
		for n, events := range seen.perEvent() {
			runs += n * events
		}
		t.Logf("%d events, %d connections terminated: %d calls sent again, %d runs doubled",
			len(ids), cut, p.refused.Load(), runs-len(ids))
		assert.Zero(t, count(t, s, asyncevents.EventsQueue))
	})
}

// What waits when a consumer starts is found at its first look, also where consumers of other topics look at the same time.
func TestFoundAtTheFirstLook(t *testing.T) {
	onEachPlace(t, func(t *testing.T, open place) {
		intake, err := asyncevents.New(open(t), hopeless, quick(t, nil))
		require.NoError(t, err)
		b := open(t)
		var longest time.Duration
		for n := range 15 {
			id := acceptMany(t, intake, fmt.Sprintf("r%d-", n), 1, bare)[0]
			began := time.Now()
			s, stop := run(t, b, working(new(starts), 0), func(c *asyncevents.Config) { c.PollInterval = time.Minute })
			awaitStatus(t, s, id, asyncevents.StatusProcessed)
			longest = max(longest, time.Since(began))
			require.NoError(t, stop())
		}
		assert.Less(t, longest, 30*time.Second, "not at the next poll")
	})
}

// A session's time zone changes nothing.
func TestSessionTimeZone(t *testing.T) {
	const backoff = 300 * time.Millisecond
	onEachServer(t, func(t *testing.T, d *database) {
		began := time.Now()
		var seen starts
		s, _ := run(t, d.connect(t, d.zoned(t)), func(_ context.Context, e asyncevents.Event) (any, error) {
			return nil, fmt.Errorf("failure %d", seen.add(e.ID))
		}, func(c *asyncevents.Config) { c.Policy = retry.Fixed(backoff) })
		acceptMany(t, s, "e", 1, bare)
		await(t, "a planned attempt", func() bool {
			r, err := s.Status(context.Background(), "e0")
			return err == nil && !r.NextAttemptAt.IsZero()
		})
		r, err := s.Status(t.Context(), "e0")
		require.NoError(t, err)
		near(t, began, r.NextAttemptAt)
		e := awaitDead(t, s, asyncevents.EventsQueue, 1)[0]
		assertGaps(t, seen.of("e0"), backoff, backoff+5*time.Second)
		r = awaitStatus(t, s, "e0", asyncevents.StatusFailed)
		for _, at := range []time.Time{r.CreatedAt, r.UpdatedAt, e.CreatedAt, e.AcceptedAt, e.Attempts[0].StartedAt} {
			near(t, began, at)
		}
		require.NoError(t, s.Audit().Append(t.Context(), asyncevents.AuditRow{Actor: "me", Action: "look"}))
		rows, err := s.Audit().List(t.Context(), asyncevents.AuditQuery{Limit: 1})
		require.NoError(t, err)
		near(t, began, rows[0].At)
	})
}

// near asserts that something happened in this test, rather than in another time zone.
func near(t *testing.T, began, at time.Time) {
	t.Helper()
	assert.WithinRange(t, at, began.Add(-time.Second), time.Now().Add(time.Second))
}

func assertGaps(t *testing.T, at []time.Time, shortest, longest time.Duration) {
	t.Helper()
	require.Len(t, at, 5)
	for i := 1; i < len(at); i++ {
		assert.GreaterOrEqual(t, at[i].Sub(at[i-1]), shortest, i)
		assert.LessOrEqual(t, at[i].Sub(at[i-1]), longest, i)
	}
}

// Transactions of other applications stay open: one that still sees what was there before, so that nothing can be cleaned
// up, and one that has locked other rows.
func TestForeignTransactions(t *testing.T) {
	const rounds = 5
	onEachServer(t, func(t *testing.T, d *database) {
		each := soak.Long(300, 10_000)
		var seen starts
		s, _ := run(t, d.open(t), working(&seen, 0), nil)
		awaitStatus(t, s, acceptMany(t, s, "before", 1, bare)[0], asyncevents.StatusProcessed)
		d.hold(t, sql.LevelRepeatableRead, "SELECT count(*) FROM "+d.prefix+"events")
		d.hold(t, sql.LevelReadCommitted,
			"SELECT correlation_id FROM "+d.prefix+"events WHERE correlation_id = 'before0' FOR UPDATE")
		took := make([]time.Duration, rounds)
		lone := make([]time.Duration, rounds)
		for i := range rounds {
			began := time.Now()
			ids := acceptMany(t, s, fmt.Sprintf("r%d-", i), each, bare)
			awaitIdle(t, s, asyncevents.EventsQueue)
			took[i] = time.Since(began)
			awaitTally(t, s, ids, map[asyncevents.Status]int{asyncevents.StatusProcessed: each})
			began = time.Now()
			awaitStatus(t, s, acceptMany(t, s, fmt.Sprintf("lone%d-", i), 1, bare)[0], asyncevents.StatusProcessed)
			lone[i] = time.Since(began)
		}
		t.Logf("%d events at a time took %v; a lone one afterwards %v", each, took, lone)
		assert.Less(t, took[rounds-1], 4*took[0]+time.Second, "no slower than at first")
		assert.Less(t, lone[rounds-1], time.Second)
	})
}

// Ids that 32 bits cannot hold are ids like others.
func TestKeysBeyond32Bits(t *testing.T) {
	const first, events = 1<<31 - 5, 40
	onEachServer(t, func(t *testing.T, d *database) {
		var f failing
		s, _ := run(t, d.open(t), f.process, nil)
		acceptMany(t, s, "first", 1, func(int) string { return `,"fail":99` })
		awaitDead(t, s, asyncevents.EventsQueue, 1)
		d.exec(t, fmt.Sprintf("UPDATE %sdlqs SET last_entry = %d", d.prefix, first))
		for _, table := range []string{"messages", "audit"} {
			d.exec(t, fmt.Sprintf(d.renumber, d.prefix+table, first))
		}
		acceptMany(t, s, "e", events, func(int) string { return `,"fail":5` })
		awaitDead(t, s, asyncevents.EventsQueue, events+1)

		var ids []int64
		for page := (dlq.Page{NextCursor: "first"}); page.NextCursor != ""; {
			var err error
			cursor := page.NextCursor
			if cursor == "first" {
				cursor = ""
			}
			page, err = s.DeadLetters().List(t.Context(), asyncevents.EventsQueue, dlq.Query{Cursor: cursor, Limit: 3})
			require.NoError(t, err)
			for _, e := range page.Entries {
				ids = append(ids, e.ID)
			}
		}
		require.Len(t, ids, events+1, "each once")
		assert.IsIncreasing(t, ids)
		assert.EqualValues(t, first+events, ids[events])
		require.Equal(t, events+1, exportEvents(t, s).Count)

		moved, err := s.DeadLetters().Retry(t.Context(), asyncevents.EventsQueue, ids[events])
		require.NoError(t, err)
		awaitStatus(t, s, moved.CorrelationID, asyncevents.StatusProcessed)
		batches(t, s, 7)
		_, err = s.RetryJobs().Start(t.Context(), asyncevents.EventsQueue, "test", retry.Options{})
		require.NoError(t, err)
		assert.EqualValues(t, events, awaitJob(t, s, retry.StateCompleted).Moved)
		awaitDead(t, s, asyncevents.EventsQueue, 1) // the first fails for ever
		erased, err := s.DeadLetters().Erase(t.Context(), asyncevents.EventsQueue, dlq.Filter{}, 1)
		require.NoError(t, err)
		assert.EqualValues(t, 1, erased)
		for range 10 {
			require.NoError(t, s.Audit().Append(t.Context(), asyncevents.AuditRow{Actor: "me", Action: "look"}))
		}
		rows, err := s.Audit().List(t.Context(), asyncevents.AuditQuery{Before: first + 3, Limit: 100})
		require.NoError(t, err)
		assert.Len(t, rows, 3)
		awaitIdle(t, s, asyncevents.EventsQueue)
	})
}

// Behind a pooler that hands connections around from transaction to transaction, replicas poll.
func TestTransactionPooler(t *testing.T) {
	t.Parallel()
	server, schema := testserver.PostgresSchema(t)
	pooler := testserver.PrivatePgBouncer(t, server)
	d := postgresAt(with(t, pooler.DSN(), "default_query_exec_mode", "exec"), schema)
	var seen starts
	calls := newReceiver(t, func(int) int { return 200 })
	var replicas []*asyncevents.Service
	for range 2 {
		s, _ := run(t, d.open(t), func(_ context.Context, e asyncevents.Event) (any, error) {
			if n := seen.add(e.ID); e.Action == "fail" && n <= 5 {
				return nil, fmt.Errorf("failure %d", n)
			}
			return nil, nil
		}, func(c *asyncevents.Config) {
			private(c)
			c.PollInterval = 100 * time.Millisecond
		})
		replicas = append(replicas, s)
	}
	s := replicas[0]
	ids := acceptMany(t, s, "e", 500, calls.url)
	for _, id := range ids {
		awaitCallback(t, replicas[1], id, asyncevents.CallbackDelivered)
	}
	assert.Equal(t, map[int]int{1: 500}, seen.perEvent())
	assert.Len(t, calls.all(), 500)
	failed := acceptMany(t, s, "f", 50, func(int) string { return `,"action":"fail"` })
	awaitDead(t, s, asyncevents.EventsQueue, 50)
	require.Equal(t, 50, exportEvents(t, s).Count)
	batches(t, s, 20)
	_, err := s.RetryJobs().Start(t.Context(), asyncevents.EventsQueue, "test", retry.Options{})
	require.NoError(t, err)
	assert.EqualValues(t, 50, awaitJob(t, s, retry.StateCompleted).Moved)
	awaitTally(t, s, failed, map[asyncevents.Status]int{asyncevents.StatusProcessed: 50})
	awaitIdle(t, s, asyncevents.EventsQueue)
}
