package main

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// attributes give the command a process group of its own, so that every signal reaches all of it exactly once, and let
// it die with us.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// send signals the command and what it started. The tests of go test do not hear of a signal to go alone.
func send(cmd *exec.Cmd, s os.Signal) error {
	number, ok := s.(syscall.Signal)
	if !ok {
		return cmd.Process.Signal(s)
	}
	err := syscall.Kill(-cmd.Process.Pid, number)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}
