//go:build !linux

package main

import (
	"os"
	"os/exec"
	"syscall"
)

// attributes are the system's own: the command shares our process group, and with it what is typed at a terminal.
func attributes() *syscall.SysProcAttr { return nil }

// send signals the command. What comes from a terminal has already reached it and what it started.
func send(cmd *exec.Cmd, s os.Signal) error { return cmd.Process.Signal(s) }
