package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"github.com/redrive-go/redrive/internal/testserver"
)

// failure is the exit code when the command was not run.
const failure = 1

// runner brings up servers, runs a command with them, and takes them down.
type runner struct {
	sources  sources
	kinds    []testserver.Kind
	required bool      // a missing server is a failure
	out      io.Writer // what is said

	mu sync.Mutex // guards out
}

// say prints one line.
func (r *runner) say(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, _ = fmt.Fprintf(r.out, "withservers: "+format+"\n", args...) // there is no other place to complain
}

// run returns the exit code.
func (r *runner) run(command []string) int {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	defer signal.Stop(signals)

	used, early, err := r.bringUp(signals)
	defer r.takeDown(used)
	if early != nil {
		return exitCode(early)
	}
	if err != nil {
		r.say("%v", err)
		return failure
	}
	return r.execute(command, used, signals)
}

// bringUp gets all kinds of servers at once. A signal ends that early.
func (r *runner) bringUp(signals <-chan os.Signal) (used []*used, early os.Signal, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		used, err = r.obtainAll(ctx)
	}()
	select {
	case <-done:
	case early = <-signals:
		cancel()
		<-done
	}
	return used, early, err
}

func (r *runner) obtainAll(ctx context.Context) ([]*used, error) {
	found, errs := make([]*used, len(r.kinds)), make([]error, len(r.kinds))
	var wg sync.WaitGroup
	for i, k := range r.kinds {
		wg.Go(func() { found[i], errs[i] = r.obtain(ctx, k) })
	}
	wg.Wait()
	if err := errors.Join(errs...); r.required && err != nil {
		return found, fmt.Errorf("%s=1, but not every server can be had:\n%w", testserver.RequireVariable, err)
	}
	return found, nil
}

// takeDown ends what was brought up, all at once.
func (r *runner) takeDown(servers []*used) {
	var wg sync.WaitGroup
	for _, u := range servers {
		if u == nil || u.end == nil {
			continue
		}
		wg.Go(func() {
			if err := u.end(); err != nil {
				r.say("%s: take down: %v", u.kind.Name, err)
			}
		})
	}
	wg.Wait()
}

// execute runs the command to its end and passes signals on to it.
func (r *runner) execute(command []string, servers []*used, signals <-chan os.Signal) int {
	cmd := exec.Command(command[0], command[1:]...) //nolint:gosec,noctx // to run it is what we are for; signals end it
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = attributes()
	cmd.Env = os.Environ()
	for _, u := range servers {
		if u != nil {
			cmd.Env = append(cmd.Env, u.kind.Variable+"="+u.dsn)
		}
	}
	r.say("%s", strings.Join(command, " "))

	// A child that is to die with its parent dies with the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		r.say("%v", err)
		return failure
	}
	ended := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { r.forward(cmd, signals, ended) })
	err := cmd.Wait()
	close(ended)
	wg.Wait()
	if err != nil && cmd.ProcessState == nil {
		r.say("%v", err)
		return failure
	}
	return stateCode(cmd.ProcessState)
}

// forward passes signals on until the command has ended.
func (r *runner) forward(cmd *exec.Cmd, signals <-chan os.Signal, ended <-chan struct{}) {
	for {
		select {
		case s := <-signals:
			if err := send(cmd, s); err != nil && !errors.Is(err, os.ErrProcessDone) {
				r.say("pass on the signal %v: %v", s, err)
			}
		case <-ended:
			return
		}
	}
}

// stateCode is how shells report the end of a command.
func stateCode(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return exitCode(status.Signal())
	}
	return state.ExitCode()
}

// exitCode is how shells report an end by a signal.
func exitCode(s os.Signal) int {
	if number, ok := s.(syscall.Signal); ok {
		return 128 + int(number)
	}
	return failure
}
