package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/redrive-go/redrive/internal/testserver"
)

// asCommand makes the test binary the command itself.
const asCommand = "WITHSERVERS_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

// withservers is the command itself.
func withservers(t *testing.T, command ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, append([]string{"-compose", "/nowhere", "--"}, command...)...)
	cmd.Env = append(os.Environ(), asCommand+"=1", testserver.RequireVariable+"=0")
	return cmd
}

func TestRun(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		command []string
		code    int
	}{
		{[]string{"true"}, 0},
		{[]string{"sh", "-c", "exit 7"}, 7},
		{[]string{"sh", "-c", "kill -TERM $$"}, 143},
		{[]string{"no-such-command"}, 1},
		{[]string{"sh", "-c", `test "$REDRIVE_TEST_TESTBASE" = private`}, 0},
	} {
		t.Run(strings.Join(c.command, " "), func(t *testing.T) {
			t.Parallel()
			r := &runner{sources: &ending{place: place{programs: true}}, kinds: testKinds, out: new(bytes.Buffer)}
			assert.Equal(t, c.code, r.run(c.command), r.out)
			assert.Equal(t, 1, r.sources.(*ending).ended)
			assert.Contains(t, fmt.Sprint(r.out), "take down: it hangs")
		})
	}
}

// ending is a machine whose servers count how often they are taken down, and complain.
type ending struct {
	place
	ended int
}

func (e *ending) start(ctx context.Context, k testserver.Kind) (*used, error) {
	u, err := e.place.start(ctx, k)
	if err == nil {
		u.end = func() error { e.ended++; return errors.New("it hangs") }
	}
	return u, err
}

// Without a server that is needed the command is not run.
func TestRunRequired(t *testing.T) {
	t.Parallel()
	none := place{docker: errUnavailable, apt: errUnavailable}
	mark := filepath.Join(t.TempDir(), "ran")
	for _, required := range []bool{true, false} {
		r := &runner{sources: &none, kinds: testKinds, required: required, out: new(bytes.Buffer)}
		code := r.run([]string{"sh", "-c", `test -z "$REDRIVE_TEST_TESTBASE" && touch ` + mark})
		_, err := os.Stat(mark)
		if required {
			assert.Equal(t, 1, code)
			assert.ErrorIs(t, err, os.ErrNotExist)
			assert.Contains(t, fmt.Sprint(r.out), "REDRIVE_TEST_REQUIRE=1, but not every server can be had")
		} else {
			assert.Zero(t, code)
			assert.NoError(t, err)
		}
	}
}

// session is the command at work, with a script that tells of the environment and then waits.
type session struct {
	cmd    *exec.Cmd
	lines  *bufio.Scanner
	stderr *bytes.Buffer
}

// begin has the command bring up one kind of server.
func begin(t *testing.T, k testserver.Kind, script string) *session {
	t.Helper()
	if err := testserver.Missing(k.Programs...); err != nil {
		require.False(t, testserver.Required(), err)
		t.Skip(err)
	}
	s := &session{cmd: withservers(t, "sh", "-c", script), stderr: new(bytes.Buffer)}
	for _, other := range testserver.Kinds() {
		s.cmd.Env = append(s.cmd.Env, other.Variable+"=not-needed")
	}
	s.cmd.Env = append(s.cmd.Env, k.Variable+"=")
	s.cmd.Stderr = s.stderr
	out, err := s.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, s.cmd.Start())
	t.Cleanup(func() { _ = s.cmd.Process.Kill() })
	s.lines = bufio.NewScanner(out)
	return s
}

func (s *session) line(t *testing.T) string {
	t.Helper()
	require.True(t, s.lines.Scan(), "the output ended")
	return s.lines.Text()
}

// folder is where the server lives.
func (s *session) folder() string {
	_, folder, _ := strings.Cut(s.stderr.String(), ", in ")
	folder, _, _ = strings.Cut(folder, "\n")
	return folder
}

// deserted tells whether no process is at work in a folder any more.
func deserted(folder string) bool {
	processes, _ := filepath.Glob("/proc/[0-9]*/cwd") // the pattern is well-formed
	for _, process := range processes {
		if cwd, err := os.Readlink(process); err == nil && strings.HasPrefix(cwd, folder) {
			return false
		}
	}
	return true
}

// The servers are there while the command runs, nothing but its output is on stdout, and then they are gone with their
// folder.
func TestServersLiveWithTheCommand(t *testing.T) {
	t.Parallel()
	postgres := testserver.Kinds()[0]
	s := begin(t, postgres, `trap 'echo bye; exit 5' TERM
		echo "$REDRIVE_TEST_POSTGRES"; echo "$REDRIVE_TEST_MYSQL"
		while :; do sleep 0.01; done`)
	dsn := s.line(t)
	assert.Equal(t, "not-needed", s.line(t))
	assert.NoError(t, postgres.Ping(t.Context(), dsn))

	require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))
	assert.Equal(t, "bye", s.line(t), "the signal is passed on, and the command decides")
	assert.False(t, s.lines.Scan())
	var exit *exec.ExitError
	require.ErrorAs(t, s.cmd.Wait(), &exit)
	assert.Equal(t, 5, exit.ExitCode())
	assert.Error(t, postgres.Ping(t.Context(), dsn))
	assert.Contains(t, s.stderr.String(), "MySQL: given by REDRIVE_TEST_MYSQL")
	assert.NoDirExists(t, s.folder())
	assert.NotEmpty(t, s.folder())
}

// Nothing outlives the command's sudden death: neither the servers nor what they were for.
func TestKilled(t *testing.T) {
	t.Parallel()
	here, err := os.Getwd()
	require.NoError(t, err)
	require.False(t, deserted(here))
	for _, k := range testserver.Kinds() {
		t.Run(k.Name, func(t *testing.T) {
			t.Parallel()
			s := begin(t, k, `echo $$; exec sleep 600`)
			pid, err := strconv.Atoi(s.line(t))
			require.NoError(t, err)
			require.NoError(t, s.cmd.Process.Kill())
			require.Error(t, s.cmd.Wait())
			require.Contains(t, s.folder(), "redrive-test-")
			assert.Eventually(t, func() bool {
				return deserted(s.folder()) && syscall.Kill(pid, 0) != nil
			}, 20*time.Second, 10*time.Millisecond)
			require.NoError(t, os.RemoveAll(s.folder()), "only this is left")
		})
	}
}

// A signal while servers start takes down what there is, and the command is not run.
func TestInterruptedEarly(t *testing.T) {
	t.Parallel()
	slow := &waiting{reached: make(chan struct{})}
	r := &runner{sources: slow, kinds: testKinds, out: new(bytes.Buffer)}
	signals := make(chan os.Signal, 1)
	go func() {
		<-slow.reached
		signals <- os.Interrupt
	}()
	servers, early, err := r.bringUp(signals)
	require.NoError(t, err)
	assert.Equal(t, []*used{nil}, servers)
	assert.Equal(t, 130, exitCode(early))
	assert.Empty(t, slow.did, "nothing else was tried")
}

// waiting is a machine whose servers take for ever to start.
type waiting struct {
	place
	reached chan struct{}
}

func (w *waiting) start(ctx context.Context, _ testserver.Kind) (*used, error) {
	close(w.reached)
	<-ctx.Done()
	return nil, ctx.Err()
}
