package replicas

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// What a process is told in its environment when it is to be a replica. DSNs may hold passwords, which others could see
// among its arguments.
const (
	nameVariable  = "REDRIVE_REPLICA_NAME"
	dsnVariable   = "REDRIVE_REPLICA_DSN"
	storeVariable = "REDRIVE_REPLICA_STORE_DSN"
)

// asked is whether this process is to be a replica, and which.
func asked() (name string, at Place, ok bool) {
	name = os.Getenv(nameVariable)
	return name, Place{os.Getenv(dsnVariable), os.Getenv(storeVariable)}, name != ""
}

// replica is a process of this program that serves.
type replica struct {
	name   string
	url    string
	cmd    *exec.Cmd
	stdin  io.Closer // the process ends with it, and so with its parent
	killed bool
}

// start returns when the replica listens.
func start(ctx context.Context, name string, at Place) (*replica, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, program) //nolint:gosec // it is this program itself
	cmd.Env = append(os.Environ(), nameVariable+"="+name, dsnVariable+"="+at.DSN, storeVariable+"="+at.StoreDSN)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	r := &replica{name: name, cmd: cmd, stdin: stdin}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("replica %s does not start: %w", name, err), r.stop())
	}
	r.url = strings.TrimSpace(line)
	return r, nil
}

// stop has the replica end what it is at, and returns when it has.
func (r *replica) stop() error {
	if r.killed {
		return nil
	}
	if err := errors.Join(r.stdin.Close(), r.cmd.Wait()); err != nil {
		return fmt.Errorf("stop replica %s: %w", r.name, err)
	}
	return nil
}

// kill ends the process without a warning.
func (r *replica) kill() error {
	r.killed = true
	err := r.cmd.Process.Kill()
	_ = r.cmd.Wait() // says that it was killed
	return err
}
