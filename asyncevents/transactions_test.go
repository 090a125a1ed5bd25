package asyncevents_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/mysql"
	"github.com/redrive-go/redrive/backends/postgres"
	"github.com/redrive-go/redrive/internal/soak"
)

// host is an application with transactions of its own on the database of the events, and a table named orders.
type host struct {
	*database
	begin begin
}

// hostTx is an open transaction of a host.
type hostTx struct {
	tx       any
	exec     func(query string) error
	commit   func() error
	rollback func() error
}

// begin starts a transaction of a host.
type begin = func(context.Context) (*hostTx, error)

// hosts are the ways to have transactions, by the kind of database.
var hosts = map[string]map[string]func(*testing.T, *database) begin{
	"mysql":    {"database/sql": sqlHost},
	"postgres": {"database/sql": sqlHost, "pgx": pgxHost},
}

func sqlHost(t *testing.T, d *database) begin {
	db := d.sql(t)
	db.SetMaxOpenConns(10)
	return sqlBegin(db)
}

func sqlBegin(db *sql.DB) begin {
	return func(ctx context.Context) (*hostTx, error) {
		tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
		if err != nil {
			return nil, err
		}
		exec := func(query string) error {
			_, err := tx.ExecContext(ctx, query)
			return err
		}
		return &hostTx{tx, exec, tx.Commit, tx.Rollback}, nil
	}
}

func pgxHost(t *testing.T, d *database) begin {
	return pgxBegin(pgxPool(t, d, "10"))
}

func pgxPool(t *testing.T, d *database, size string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), with(t, d.dsn, "pool_max_conns", size))
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

func pgxBegin(pool *pgxpool.Pool) begin {
	return func(ctx context.Context) (*hostTx, error) {
		tx, err := pool.BeginTx(ctx, pgx.TxOptions{})
		if err != nil {
			return nil, err
		}
		exec := func(query string) error {
			_, err := tx.Exec(ctx, query)
			return err
		}
		end := context.WithoutCancel(ctx)
		return &hostTx{
			tx, exec, func() error { return tx.Commit(end) }, func() error { return tx.Rollback(end) },
		}, nil
	}
}

// onEachHost runs a case with a kind of transaction on every kind of server; in the long form, with every kind.
func onEachHost(t *testing.T, test func(*testing.T, *host)) { onHosts(t, soak.On(), test) }

// onEveryHost runs a case with every kind of transaction on every kind of server.
func onEveryHost(t *testing.T, test func(*testing.T, *host)) { onHosts(t, true, test) }

func onHosts(t *testing.T, every bool, test func(*testing.T, *host)) {
	t.Parallel()
	for kind, make := range servers {
		for name, begin := range hosts[kind] {
			if len(hosts[kind]) > 1 && name == "database/sql" && !every {
				continue
			}
			t.Run(kind+"/"+name, func(t *testing.T) {
				t.Parallel()
				d := make(t)
				d.exec(t, `CREATE TABLE orders (id varchar(64) NOT NULL)`)
				test(t, &host{d, begin(t, d)})
			})
		}
	}
}

// order writes an order.
func (tx *hostTx) order(id string) error {
	return tx.exec(`INSERT INTO orders (id) VALUES ('` + id + `')`)
}

// orders are those that were committed.
func (h *host) orders(t *testing.T) []string {
	t.Helper()
	return h.texts(t, `SELECT id FROM orders ORDER BY id`)
}

// accepted are the events that were recorded.
func (h *host) accepted(t *testing.T) []string {
	t.Helper()
	return h.texts(t, `SELECT correlation_id FROM `+h.prefix+`events ORDER BY correlation_id`)
}

// accept takes an event and writes an order in one transaction, which is committed or rolled back.
func (h *host) accept(ctx context.Context, s *asyncevents.Service, id string, commit bool) (asyncevents.Accepted, error) {
	tx, err := h.begin(ctx)
	if err != nil {
		return asyncevents.Accepted{}, err
	}
	accepted, err := s.AcceptTx(ctx, tx.tx, asyncevents.Submission{Body: fmt.Appendf(nil, `{"correlation_id":%q}`, id)})
	if err == nil {
		err = tx.order(id)
	}
	if err != nil || !commit {
		return accepted, errors.Join(err, tx.rollback())
	}
	return accepted, tx.commit()
}

func TestAcceptTx(t *testing.T) {
	each := soak.Long(200, 1000)
	onEveryHost(t, func(t *testing.T, h *host) {
		var seen starts
		s, _ := run(t, h.open(t), working(&seen, 0), nil)
		var committed []string
		numbers := make(chan int)
		var accepting sync.WaitGroup
		for range 10 {
			accepting.Go(func() {
				for n := range numbers {
					commit := n%2 == 0
					accepted, err := h.accept(context.Background(), s, fmt.Sprintf("t%d-%v", n, commit), commit)
					assert.NoError(t, err)
					assert.Equal(t, asyncevents.StatusQueued, accepted.Status)
				}
			})
		}
		for n := range 2 * each {
			numbers <- n
			if n%2 == 0 {
				committed = append(committed, fmt.Sprintf("t%d-true", n))
			}
		}
		close(numbers)
		accepting.Wait()
		awaitTally(t, s, committed, map[asyncevents.Status]int{asyncevents.StatusProcessed: each})
		awaitIdle(t, s, asyncevents.EventsQueue)
		assert.Equal(t, map[int]int{1: each}, seen.perEvent(), "what was rolled back never ran")
		slices.Sort(committed)
		assert.Equal(t, committed, h.accepted(t))
		assert.Len(t, h.orders(t), each)
	})
}

// An event without a message is recorded with the host's transaction as well, and nothing is published.
func TestAcceptTxWithoutAMessage(t *testing.T) {
	onEachHost(t, func(t *testing.T, h *host) {
		b := h.open(t)
		t.Cleanup(func() { require.NoError(t, b.Close()) })
		accept := func(id string, end func(*hostTx) error) asyncevents.Receipt {
			tx, err := h.begin(t.Context())
			require.NoError(t, err)
			receipt, err := b.Transactions.AcceptTx(t.Context(), tx.tx, asyncevents.Acceptance{CorrelationID: id})
			require.NoError(t, err)
			require.NoError(t, end(tx))
			return receipt
		}
		commit, rollback := func(tx *hostTx) error { return tx.commit() }, func(tx *hostTx) error { return tx.rollback() }
		assert.False(t, accept("e0", commit).Known)
		assert.True(t, accept("e0", commit).Known)
		assert.False(t, accept("e1", rollback).Known)
		assert.Equal(t, []string{"e0"}, h.accepted(t))
		backlog, err := b.Backlog(t.Context(), "")
		require.NoError(t, err)
		assert.Zero(t, backlog)
	})
}

func TestAcceptTxOfAKnownEvent(t *testing.T) {
	onEachHost(t, func(t *testing.T, h *host) {
		var seen starts
		s, _ := run(t, h.open(t), working(&seen, 0), nil)
		first, err := h.accept(t.Context(), s, "e0", true)
		require.NoError(t, err)
		assert.False(t, first.Replayed)
		awaitStatus(t, s, "e0", asyncevents.StatusProcessed)
		again, err := h.accept(t.Context(), s, "e0", true)
		require.NoError(t, err)
		assert.Equal(t, asyncevents.Accepted{
			CorrelationID: "e0", Status: asyncevents.StatusProcessed, Replayed: true,
		}, again)
		assert.Len(t, h.orders(t), 2, "the host's writes are the host's business")

		tx, err := h.begin(t.Context())
		require.NoError(t, err)
		_, err = s.AcceptTx(t.Context(), tx.tx, asyncevents.Submission{Body: []byte(`{"correlation_id":"e0","a":1}`)})
		var conflict *asyncevents.Problem
		require.ErrorAs(t, err, &conflict)
		assert.Equal(t, asyncevents.CodeIdempotencyConflict, conflict.Code)
		require.NoError(t, tx.rollback())

		tx, err = h.begin(t.Context())
		require.NoError(t, err)
		for n := range 2 {
			accepted, err := s.AcceptTx(t.Context(), tx.tx, asyncevents.Submission{Body: []byte(`{"correlation_id":"e1"}`)})
			require.NoError(t, err)
			assert.Equal(t, n == 1, accepted.Replayed)
			assert.Equal(t, asyncevents.StatusQueued, accepted.Status)
		}
		require.NoError(t, tx.commit())
		awaitStatus(t, s, "e1", asyncevents.StatusProcessed)
		awaitIdle(t, s, asyncevents.EventsQueue)
		assert.Equal(t, map[int]int{1: 2}, seen.perEvent())
	})
}

// sharedConnections is how many a pool has that a host and a backend share.
const sharedConnections = 4

// sharers open a backend on a pool of few connections that the host has its transactions on too.
var sharers = map[string]func(*testing.T, *database) (*asyncevents.Backend, begin){
	"mysql": func(t *testing.T, d *database) (*asyncevents.Backend, begin) {
		db := d.sql(t)
		db.SetMaxOpenConns(sharedConnections)
		b, err := mysql.New(t.Context(), db, &mysql.Config{Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		return b, sqlBegin(db)
	},
	"postgres": func(t *testing.T, d *database) (*asyncevents.Backend, begin) {
		pool := pgxPool(t, d, strconv.Itoa(sharedConnections))
		b, err := postgres.New(t.Context(), pool, &postgres.Config{NoListen: true, Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		return b, pgxBegin(pool)
	},
}

// Clients send again while the host's transactions hold every connection of the pool that the backend uses too.
func TestAcceptTxOnTheLastConnection(t *testing.T) {
	onEachServer(t, func(t *testing.T, d *database) {
		b, begin := sharers[d.kind](t, d)
		t.Cleanup(func() { assert.NoError(t, b.Close()) })
		s, err := asyncevents.New(b, hopeless, quick(t, nil))
		require.NoError(t, err)
		acceptMany(t, s, "e", 1, bare)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		open := make([]*hostTx, sharedConnections)
		for i := range open {
			open[i], err = begin(ctx)
			require.NoError(t, err)
		}
		for _, tx := range open {
			accepted, err := s.AcceptTx(ctx, tx.tx, asyncevents.Submission{Body: []byte(`{"correlation_id":"e0"}`)})
			require.NoError(t, err)
			assert.Equal(t, asyncevents.Accepted{CorrelationID: "e0", Status: asyncevents.StatusQueued, Replayed: true}, accepted)
		}
		for _, tx := range open {
			require.NoError(t, tx.commit())
		}
	})
}

// Who accepts an event that another open transaction is accepting waits for how that ends.
func TestAcceptTxWaitsForTheOther(t *testing.T) {
	onEachHost(t, func(t *testing.T, h *host) {
		var seen starts
		s, _ := run(t, h.open(t), working(&seen, 0), nil)
		for _, commit := range []bool{true, false} {
			id := fmt.Sprint(commit)
			tx, err := h.begin(t.Context())
			require.NoError(t, err)
			body := fmt.Appendf(nil, `{"correlation_id":%q}`, id)
			_, err = s.AcceptTx(t.Context(), tx.tx, asyncevents.Submission{Body: body})
			require.NoError(t, err)
			second := make(chan asyncevents.Accepted, 1)
			go func() {
				accepted, err := h.accept(context.Background(), s, id, true)
				assert.NoError(t, err)
				second <- accepted
			}()
			select {
			case <-second:
				t.Error("the second did not wait")
			case <-time.After(200 * time.Millisecond):
			}
			if commit {
				require.NoError(t, tx.commit())
			} else {
				require.NoError(t, tx.rollback())
			}
			assert.Equal(t, commit, (<-second).Replayed)
			awaitStatus(t, s, id, asyncevents.StatusProcessed)
		}
		assert.Equal(t, map[int]int{1: 2}, seen.perEvent())
	})
}

// A transaction commits long after others that began later: what it accepted is found all the same.
func TestAcceptTxCommittedLate(t *testing.T) {
	onEachHost(t, func(t *testing.T, h *host) {
		var seen starts
		s, _ := run(t, h.open(t), working(&seen, 0), nil)
		tx, err := h.begin(t.Context())
		require.NoError(t, err)
		_, err = s.AcceptTx(t.Context(), tx.tx, asyncevents.Submission{Body: []byte(`{"correlation_id":"late"}`)})
		require.NoError(t, err)
		var others []string
		for began := time.Now(); time.Since(began) < soak.Long(time.Second, 45*time.Second); {
			others = append(others, acceptMany(t, s, fmt.Sprintf("r%d-", len(others)), 50, bare)...)
			awaitIdle(t, s, asyncevents.EventsQueue)
		}
		assert.Empty(t, seen.of("late"))
		require.NoError(t, tx.commit())
		committed := time.Now()
		awaitStatus(t, s, "late", asyncevents.StatusProcessed)
		t.Logf("found %v after the commit, behind %d others", time.Since(committed), len(others))
		assert.Less(t, time.Since(committed), 5*time.Second)
		assert.Equal(t, map[int]int{1: len(others) + 1}, seen.perEvent())
	})
}

func TestAcceptTxIsPickedUpSoon(t *testing.T) {
	const events = 50
	onEachHost(t, func(t *testing.T, h *host) {
		started := make(chan time.Time, 1)
		s, _ := run(t, h.open(t), func(context.Context, asyncevents.Event) (any, error) {
			started <- time.Now()
			return nil, nil
		}, nil) // and so with a PollInterval of a second
		from := map[string]*asyncevents.Service{"the same process": s}
		if h.kind == "postgres" { // which tells other processes
			other, err := asyncevents.New(h.open(t), working(new(starts), 0), quick(t, nil))
			require.NoError(t, err)
			from["another process"] = other
		}
		for name, accepting := range from {
			took := make([]time.Duration, events)
			for n := range took {
				_, err := h.accept(t.Context(), accepting, fmt.Sprintf("%.3s%d", name, n), true)
				require.NoError(t, err)
				committed := time.Now()
				took[n] = (<-started).Sub(committed)
			}
			slices.Sort(took)
			t.Logf("from %s: p50 %v, p99 %v", name, took[events/2], took[events-1])
			assert.Less(t, took[events/2], time.Duration(slowdown)*100*time.Millisecond)
		}
	})
}

func TestTransactionsThatDoNotFit(t *testing.T) {
	submission := asyncevents.Submission{Body: []byte(`{}`)}
	for _, name := range []string{"memory", "sqlite"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := asyncevents.New(places[name](t)(t), hopeless, quick(t, nil))
			require.NoError(t, err)
			_, err = s.AcceptTx(t.Context(), new(sql.Tx), submission)
			require.ErrorIs(t, err, asyncevents.ErrNoTransactions)
			err = s.CompleteTx(t.Context(), new(sql.Tx), asyncevents.Event{ID: "e"}, nil)
			require.ErrorIs(t, err, asyncevents.ErrNoTransactions)
		})
	}
	onEachServer(t, func(t *testing.T, d *database) {
		wrong := make(chan error, 2)
		var s *asyncevents.Service
		process := func(ctx context.Context, e asyncevents.Event) (any, error) {
			wrong <- s.CompleteTx(ctx, "a transaction", e, nil)
			e.ID = "another"
			wrong <- s.CompleteTx(ctx, new(sql.Tx), e, nil)
			return nil, nil
		}
		s, err := asyncevents.New(d.open(t), func(ctx context.Context, e asyncevents.Event) (any, error) {
			return process(ctx, e)
		}, quick(t, nil))
		require.NoError(t, err)
		for _, tx := range []any{nil, "a transaction", d.sql(t)} {
			_, err := s.AcceptTx(t.Context(), tx, submission)
			require.ErrorContains(t, err, "a transaction must be")
		}
		require.ErrorIs(t, s.CompleteTx(t.Context(), new(sql.Tx), asyncevents.Event{ID: "e"}, nil), asyncevents.ErrNotProcessing)

		accept(t, s, `{"correlation_id":"e"}`)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		require.ErrorContains(t, <-wrong, "a transaction must be")
		require.ErrorIs(t, <-wrong, asyncevents.ErrNotProcessing)
		cancel()
		require.NoError(t, <-ended)
	})
}
