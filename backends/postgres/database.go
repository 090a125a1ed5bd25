package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redrive-go/redrive/backends/internal/queue"
	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

// writeTimeout bounds a transaction that its caller does not bound.
const writeTimeout = 30 * time.Second

// maxTries is how often a transaction is tried that others got into the way of, or whose connection turned out to be
// dead. After a restart of the server every connection of the pool is.
const maxTries = 16

// database implements sqlstore.Database.
type database struct {
	from source
	work sync.WaitGroup // what runs in the background

	ended context.Context // ends with Close
	end   context.CancelFunc

	mu    sync.Mutex
	state error // why the database cannot be used; nil once the schema was seen to be up to date
}

func newDatabase(from source) *database {
	db := &database{from: from, state: errNotReady}
	db.ended, db.end = context.WithCancel(context.Background())
	return db
}

// errNotReady is the state before the schema was seen.
var errNotReady = errors.New("the schema was not checked yet")

// usable returns why the database cannot be used, if so.
func (db *database) usable(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if db.ended.Err() != nil {
		return queue.ErrClosed
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.state != nil {
		return fmt.Errorf("%w: %w", sqlstore.ErrUnavailable, db.state)
	}
	return nil
}

func (db *database) setState(err error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.state = err
}

// Write implements sqlstore.Database.
func (db *database) Write(ctx context.Context, work func(sqlstore.Tx) error) error {
	if err := db.usable(ctx); err != nil {
		return err
	}
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, writeTimeout)
		defer cancel()
	}
	return db.transact(ctx, readCommitted, work)
}

// Read implements sqlstore.Database.
func (db *database) Read(ctx context.Context, work func(sqlstore.Tx) error) error {
	if err := db.usable(ctx); err != nil {
		return err
	}
	for try := 1; ; try++ {
		err := work(db.from.direct(ctx))
		if try == maxTries || !isConflict(err) && !isDead(err) || ctx.Err() != nil {
			return err
		}
	}
}

// View implements sqlstore.Database.
func (db *database) View(ctx context.Context, work func(sqlstore.Tx) error) error {
	if err := db.usable(ctx); err != nil {
		return err
	}
	t, err := db.begin(ctx, consistent)
	if err != nil {
		return err
	}
	defer t.rollback()
	return work(t)
}

// transact runs work in a transaction, again where another one got into its way.
func (db *database) transact(ctx context.Context, level isolation, work func(sqlstore.Tx) error) error {
	for try := 1; ; try++ {
		err := db.transactOnce(ctx, level, work)
		if try == maxTries || !isConflict(err) || ctx.Err() != nil {
			return err
		}
	}
}

func (db *database) transactOnce(ctx context.Context, level isolation, work func(sqlstore.Tx) error) error {
	t, err := db.begin(ctx, level)
	if err != nil {
		return err
	}
	defer t.rollback() // does nothing after a commit
	if err := work(t); err != nil {
		return err
	}
	return t.commit()
}

// begin starts a transaction, on another connection where one turns out to be dead. A server that refuses connections is
// not asked again.
func (db *database) begin(ctx context.Context, level isolation) (transaction, error) {
	for try := 1; ; try++ {
		t, err := db.from.begin(ctx, level)
		if err == nil || try == maxTries || !isDead(err) || ctx.Err() != nil {
			return t, err
		}
	}
}

// Ping implements sqlstore.Database. It writes: a standby, or a server whose disk is full, could be read all the same.
func (db *database) Ping(ctx context.Context) error {
	err := db.Write(ctx, func(t sqlstore.Tx) error {
		_, err := t.Exec(`UPDATE {schema} SET checked_at = {now}`)
		return err
	})
	if err != nil {
		return fmt.Errorf("postgres: ping: %w", err)
	}
	return nil
}

// prepare brings the schema up to date. A server that cannot be reached is no error: it is waited for in the background.
func (db *database) prepare(ctx context.Context, m migrator, log func(error)) error {
	err := m.run(ctx, db)
	if !errors.Is(err, sqlstore.ErrUnavailable) || ctx.Err() != nil {
		db.setState(err)
		return err
	}
	db.setState(err)
	log(err)
	db.work.Go(func() { db.prepareLater(m, log) })
	return nil
}

// prepareLater tries until the server is there. What it refuses then, somebody may mend yet.
func (db *database) prepareLater(m migrator, log func(error)) {
	wait := 100 * time.Millisecond
	for {
		select {
		case <-db.ended.Done():
			return
		case <-time.After(wait):
		}
		wait = min(2*wait, 2*time.Second)
		ctx, cancel := context.WithTimeout(db.ended, writeTimeout)
		err := m.run(ctx, db)
		cancel()
		if err != nil && !errors.Is(err, sqlstore.ErrUnavailable) {
			log(err)
			wait = 30 * time.Second
		}
		db.setState(err)
		if err == nil {
			return
		}
	}
}

// Close implements sqlstore.Database.
func (db *database) Close() error {
	first := db.ended.Err() == nil
	db.end()
	db.work.Wait()
	if !first {
		return nil
	}
	return db.from.close()
}
