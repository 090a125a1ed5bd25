package testserver

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"time"
)

// killTimeout is how long processes get to be gone once they were killed.
const killTimeout = 20 * time.Second

// errLinger is returned when killed processes do not end.
var errLinger = errors.New("killed processes are still there")

// process is a running program. Its end is awaited from the beginning.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed at its end
	err  error         // how it ended; to be read after done
}

// launch starts a program. It keeps one thread for it: a child that is to die with its parent dies with the thread that
// started it, and Go ends threads when it likes.
func launch(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.err = cmd.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return p, nil
}

// running tells whether the process has not ended.
func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// await waits for the process's end for so long, and tells whether it came.
func (p *process) await(timeout time.Duration) bool {
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-p.done:
		return true
	case <-timer.C:
		return !p.running()
	}
}
