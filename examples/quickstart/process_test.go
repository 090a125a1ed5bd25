package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// process is the program in a process of its own.
type process struct {
	*site
	cmd    *exec.Cmd
	stderr *output
	ended  chan struct{}
	code   int // -1 for a signal; set when ended is closed
}

// launch starts the program and returns when it listens, or has ended.
func launch(t *testing.T, args ...string) *process {
	t.Helper()
	args = append([]string{"-addr", "127.0.0.1:0", "-samples=false", "-backoff", "50ms", "-lease", "300ms"}, args...)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	p := &process{cmd: exec.CommandContext(ctx, binary, args...), stderr: &output{}, ended: make(chan struct{})}
	p.cmd.Stderr = p.stderr
	stdout, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() {
		cancel()
		<-p.ended
	})
	base := make(chan string, 1)
	go func() {
		defer close(p.ended)
		readBase(stdout, base)
		_ = p.cmd.Wait()
		p.code = p.cmd.ProcessState.ExitCode()
	}()
	select {
	case url := <-base:
		p.site = newSite(t, url)
	case <-p.ended:
		p.site = newSite(t, "http://127.0.0.1:1")
	case <-time.After(patience):
		require.FailNow(t, "the program neither listens nor ends", p.stderr)
	}
	return p
}

// readBase finds the server's URL in what it prints, and reads on to the end.
func readBase(stdout io.Reader, base chan<- string) {
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), "Redrive listens on "); ok {
			url, _, _ := strings.Cut(rest, ",")
			base <- url
		}
	}
}

// signal sends a signal; a process that has ended has no use for it.
func (p *process) signal(t *testing.T, signal syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		require.ErrorContains(t, err, "already finished")
	}
}

// wait returns the exit code.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.ended:
		return p.code
	case <-time.After(2 * patience):
		require.FailNow(t, "the program does not end", p.stderr)
		return 0
	}
}

// kill ends the process without a warning.
func (p *process) kill(t *testing.T) {
	t.Helper()
	p.signal(t, syscall.SIGKILL)
	p.wait(t)
}
