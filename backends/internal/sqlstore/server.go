package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/redrive-go/redrive/backends/internal/queue"
)

// WriteTimeout bounds a transaction that its caller does not bound.
const WriteTimeout = 30 * time.Second

// minTries is how often at least a transaction is tried that others got into the way of, or whose connection turned out to be
// dead. After a restart of the server every connection of the pool is, so it is tried on one more than there are.
const minTries = 16

// refusedWait is after how long a server is asked again that is there, and refused.
const refusedWait = 30 * time.Second

// Server implements Database on a pool of connections to a database server.
type Server struct {
	// Unsynced, when not nil, names the setting that has commits return before they are synced to the disk; empty where
	// there is none. What it finds is logged once the database can be used.
	Unsynced func(t Tx) (setting string, err error)

	from Source
	name string         // of the backend
	max  int            // tries
	work sync.WaitGroup // what runs in the background

	ended context.Context // ends with Close
	end   context.CancelFunc

	mu    sync.Mutex
	state error // why the database cannot be used; nil once the schema was seen to be up to date
}

// NewServer returns a Server for the backend of that name. It is of no use before Prepare.
func NewServer(name string, from Source) *Server {
	s := &Server{from: from, name: name, max: max(minTries, from.Limit()+1), state: errNotReady}
	s.ended, s.end = context.WithCancel(context.Background())
	return s
}

// errNotReady is the state before the schema was seen.
var errNotReady = errors.New("the schema was not checked yet")

// Usable returns why the database cannot be used, if so.
func (s *Server) Usable(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.ended.Err() != nil {
		return queue.ErrClosed
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, s.state)
	}
	return nil
}

func (s *Server) setState(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = err
}

// Direct runs each statement for itself, on any connection, whether or not the database is ready.
func (s *Server) Direct(ctx context.Context) Tx { return s.from.Direct(ctx) }

// Write implements Database.
func (s *Server) Write(ctx context.Context, work func(Tx) error) error {
	if err := s.Usable(ctx); err != nil {
		return err
	}
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, WriteTimeout)
		defer cancel()
	}
	return s.Transact(ctx, work)
}

// Read implements Database.
func (s *Server) Read(ctx context.Context, work func(Tx) error) error {
	if err := s.Usable(ctx); err != nil {
		return err
	}
	return patiently(ctx, s.max, func() error { return work(s.from.Direct(ctx)) }, ErrConflict, ErrBroken)
}

// View implements Database.
func (s *Server) View(ctx context.Context, work func(Tx) error) error {
	if err := s.Usable(ctx); err != nil {
		return err
	}
	t, err := s.begin(ctx, Consistent)
	if err != nil {
		return err
	}
	defer t.Rollback()
	return work(t)
}

// Transact runs work in a transaction, again where another one got into its way, whether or not the database is ready.
func (s *Server) Transact(ctx context.Context, work func(Tx) error) error {
	return patiently(ctx, s.max, func() error { return s.transactOnce(ctx, work) }, ErrConflict)
}

// Alone runs a statement that is a transaction of its own, again where another one got into its way, and where its connection
// broke off: nobody knows then whether it was committed, so it must be one that does nothing the second time.
func (s *Server) Alone(ctx context.Context, statement func(Tx) error) error {
	if err := s.Usable(ctx); err != nil {
		return err
	}
	return patiently(ctx, s.max, func() error { return statement(s.Direct(ctx)) }, ErrConflict, ErrBroken)
}

// patiently does something up to so many times while it fails for one of some reasons.
func patiently(ctx context.Context, tries int, do func() error, reasons ...error) error {
	for try := 1; ; try++ {
		err := do()
		again := slices.ContainsFunc(reasons, func(reason error) bool { return errors.Is(err, reason) })
		if try == tries || !again || ctx.Err() != nil {
			return err
		}
	}
}

func (s *Server) transactOnce(ctx context.Context, work func(Tx) error) error {
	t, err := s.begin(ctx, ReadCommitted)
	if err != nil {
		return err
	}
	defer t.Rollback()
	h := &hooked{Tx: t}
	if err := work(h); err != nil {
		return err
	}
	if err := t.Commit(); err != nil {
		return err
	}
	for _, f := range h.hooks {
		f()
	}
	return nil
}

// hooked implements Hooked.
type hooked struct {
	Tx
	hooks []func()
}

// OnCommit implements Hooked.
func (h *hooked) OnCommit(f func()) { h.hooks = append(h.hooks, f) }

// begin starts a transaction, on another connection where one turns out to be dead. A server that refuses connections is
// not asked again.
func (s *Server) begin(ctx context.Context, level Isolation) (t Transaction, err error) {
	err = patiently(ctx, s.max, func() (err error) {
		t, err = s.from.Begin(ctx, level)
		return err
	}, ErrBroken)
	return t, err
}

// Ping implements Database. It writes: a standby, or a server whose disk is full, could be read all the same.
func (s *Server) Ping(ctx context.Context) error {
	err := s.Write(ctx, func(t Tx) error {
		_, err := t.Exec(touchSchema)
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: ping: %w", s.name, err)
	}
	return nil
}

// Prepare brings the schema up to date. A server that cannot be reached is no error: it is waited for in the background.
// After an error the Server is of no use, and its Source as it was.
func (s *Server) Prepare(ctx context.Context, m *Migrator, log *slog.Logger) error {
	err := m.run(ctx, s.Direct(ctx))
	s.setState(err)
	switch {
	case err == nil:
		s.warnUnsynced(ctx, log)
		return nil
	case !errors.Is(err, ErrUnavailable), ctx.Err() != nil:
		s.end()
		return err
	}
	out := &outage{log: log, name: s.name}
	out.lasts(time.Now(), err)
	s.work.Go(func() { s.prepareLater(m, out) })
	return nil
}

// prepareLater tries until the server is there. What it refuses then, somebody may mend yet.
func (s *Server) prepareLater(m *Migrator, out *outage) {
	wait := 100 * time.Millisecond
	for {
		select {
		case <-s.ended.Done():
			return
		case <-time.After(wait):
		}
		wait = min(2*wait, 2*time.Second)
		ctx, cancel := context.WithTimeout(s.ended, WriteTimeout)
		err := m.run(ctx, s.Direct(ctx))
		cancel()
		s.setState(err)
		switch {
		case s.ended.Err() != nil:
			return
		case err == nil:
			out.ends()
			s.warnUnsynced(s.ended, out.log)
			return
		case !errors.Is(err, ErrUnavailable):
			wait = refusedWait
		}
		out.lasts(time.Now(), err)
	}
}

// Go runs work in the background, and Close waits for it. After Close it does nothing.
func (s *Server) Go(work func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended.Err() == nil {
		s.work.Go(work)
	}
}

// Ended is a context that ends with Close.
func (s *Server) Ended() context.Context { return s.ended }

// Close implements Database. It closes the Source too, after what runs in the background has ended.
func (s *Server) Close() error {
	s.mu.Lock()
	first := s.ended.Err() == nil
	s.end()
	s.mu.Unlock()
	s.work.Wait()
	if !first {
		return nil
	}
	return s.from.Close()
}
