package testserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"
)

const (
	startTimeout = 2 * time.Minute       // of a server on a machine that is busy with tests
	stopTimeout  = time.Minute           // of a clean stop
	pingTimeout  = 5 * time.Second       // of one attempt to connect
	pingInterval = 20 * time.Millisecond // between two of them
	portAttempts = 5                     // at a port that nobody else takes first
)

var (
	// ErrRunning is returned by Start of a server that runs.
	ErrRunning = errors.New("the server runs already")

	// ErrNotStopped is returned by Stop when the server had to be killed.
	ErrNotStopped = errors.New("the server did not stop in time and was killed")

	errEnded = errors.New("the server ended")
)

// recipe is how servers of one kind are made and run.
type recipe struct {
	program  Program
	accounts []string  // users that it may run as when we are root
	stop     os.Signal // ends it cleanly

	prepare func(ctx context.Context, s *site) error    // makes its data; called once
	args    func(s *site) ([]string, error)             // of program; called at each start
	dsn     func(s *site) string                        // how to connect
	ping    func(ctx context.Context, dsn string) error // connects
}

// Server is a private server. Its methods may be called by several goroutines.
type Server struct {
	recipe recipe
	site   *site
	path   string // of the program

	mu      sync.Mutex
	process *process // the last one started
}

// start makes a server in dir and starts it on a port that is free.
func start(ctx context.Context, dir string, r recipe) (*Server, error) {
	path, err := r.program.Find()
	if err != nil {
		return nil, err
	}
	home, err := newSite(dir, r.accounts)
	if err != nil {
		return nil, err
	}
	if err := r.prepare(ctx, home); err != nil {
		return nil, fmt.Errorf("prepare %s: %w", r.program, err)
	}
	s := &Server{recipe: r, site: home, path: path}
	for range portAttempts {
		if home.port, err = freePort(); err != nil {
			return nil, err
		}
		// Between finding the port and listening on it, somebody else may have taken it.
		if err = s.Start(ctx); err == nil || !taken(home.port) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// DSN is how to connect to the server. It stays the same over restarts.
func (s *Server) DSN() string { return s.recipe.dsn(s.site) }

// Address is where the server listens, as host:port. It stays the same over restarts.
func (s *Server) Address() string { return address(s.site.port) }

// Pid is the id of the server's main process, also when it has ended.
func (s *Server) Pid() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return 0
	}
	return s.process.cmd.Process.Pid
}

// Log is the end of what the server wrote, at most 4 KiB.
func (s *Server) Log() string { return s.site.log() }

// Start starts a server that was stopped or killed, on the same port and data, and returns when it can be worked with,
// within two minutes. It returns ErrRunning if it runs; other errors hold the end of the server's log.
func (s *Server) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil && s.process.running() {
		return fmt.Errorf("start %s: %w", s.recipe.program, ErrRunning)
	}
	args, err := s.recipe.args(s.site)
	if err != nil {
		return fmt.Errorf("start %s: %w", s.recipe.program, err)
	}
	if s.process, err = s.site.run(exec.Command(s.path, args...)); err != nil { //nolint:gosec,noctx // outlives ctx
		return err
	}
	if err := s.await(ctx); err != nil {
		return fmt.Errorf("start %s: %w\n%s", s.recipe.program, errors.Join(err, s.process.kill()), s.site.log())
	}
	return nil
}

// await connects until that works, the server ends or the time is over.
func (s *Server) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(pingInterval)
	defer tick.Stop()
	for {
		err := ping(ctx, s.recipe.ping, s.DSN())
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-s.process.done:
			return fmt.Errorf("%w: %w", errEnded, s.process.err)
		}
	}
}

// ping connects once.
func ping(ctx context.Context, f func(context.Context, string) error, dsn string) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	return f(ctx, dsn)
}

// Stop lets the server end cleanly, without waiting for its clients. It does nothing to a server that does not run. It
// returns ErrNotStopped if that took longer than a minute.
func (s *Server) Stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil || !s.process.running() {
		return nil
	}
	err := s.process.cmd.Process.Signal(s.recipe.stop)
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", s.recipe.program, err)
	}
	if s.process.await(stopTimeout) {
		return nil
	}
	return fmt.Errorf("stop %s: %w", s.recipe.program, errors.Join(ErrNotStopped, s.process.kill()))
}

// Kill ends all processes of the server at once, as a crash of the machine would. It does nothing to a server that does not
// run, and returns when they are gone.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return nil
	}
	return s.process.kill()
}

// Pause stops all processes of the server where they are, so that it hangs: its connections stay open, and nothing comes back.
// Resume, Kill and the end of the test end that. It does nothing to a server that does not run, and works on Linux only.
func (s *Server) Pause() error { return s.whileRunning((*process).pause) }

// Resume lets a server go on that was paused.
func (s *Server) Resume() error { return s.whileRunning((*process).resume) }

// whileRunning does something to the process if there is one. A signal to one that has ended might reach another.
func (s *Server) whileRunning(do func(*process) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil || !s.process.running() {
		return nil
	}
	return do(s.process)
}
