//go:build !linux

package testserver

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// attributes are the system's own. Changing users and dying with the parent is for Linux only.
func attributes(*account) *syscall.SysProcAttr { return nil }

// kill ends the process at once; its children notice, and follow.
func (p *process) kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill process %d: %w", p.cmd.Process.Pid, err)
	}
	if !p.await(killTimeout) {
		return fmt.Errorf("kill process %d: %w", p.cmd.Process.Pid, errLinger)
	}
	return nil
}

// pause and resume are for Linux only.
func (p *process) pause() error  { return errors.ErrUnsupported }
func (p *process) resume() error { return errors.ErrUnsupported }
