package testserver

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// attributes let a process run as the account, die with us, and not hear of a Ctrl-C that is meant for the tests.
func attributes(a *account) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if a != nil {
		attr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
	return attr
}

// kill ends the process and all its children at once. The children have sessions of their own, so that no signal
// reaches all of them; the process is stopped first, so that it makes no more of them meanwhile.
func (p *process) kill() error {
	pid := p.cmd.Process.Pid
	if !p.running() {
		return nil
	}
	if err := p.halt(); err != nil {
		return err
	}
	family := descendants(pid)
	if err := signal(syscall.SIGKILL, append(family, pid)); err != nil {
		return err
	}
	if !p.await(killTimeout) || !eventually(func() bool { return gone(family) }) {
		return fmt.Errorf("kill process %d: %w", pid, errLinger)
	}
	return nil
}

// halt stops the process alone, and returns when it makes no more children.
func (p *process) halt() error {
	pid := p.cmd.Process.Pid
	if err := signal(syscall.SIGSTOP, []int{pid}); err != nil {
		return err
	}
	if !eventually(func() bool { return !p.running() || state(pid) == 'T' }) {
		return fmt.Errorf("process %d does not stop: %w", pid, errLinger)
	}
	return nil
}

// pause stops the process and all its children.
func (p *process) pause() error {
	if err := p.halt(); err != nil {
		return err
	}
	return signal(syscall.SIGSTOP, descendants(p.cmd.Process.Pid))
}

// resume lets the process and its children go on.
func (p *process) resume() error {
	pid := p.cmd.Process.Pid
	return signal(syscall.SIGCONT, append(descendants(pid), pid))
}

// signal reaches those of the processes that there are.
func signal(s syscall.Signal, pids []int) error {
	for _, pid := range pids {
		if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("send %v to process %d: %w", s, pid, err)
		}
	}
	return nil
}

// eventually asks again and again until the answer is yes or killTimeout is over.
func eventually(yes func() bool) bool {
	deadline := time.Now().Add(killTimeout)
	for !yes() {
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(time.Millisecond)
	}
	return true
}

// gone tells whether none of the processes holds anything any more.
func gone(pids []int) bool {
	for _, pid := range pids {
		if s := state(pid); s != 0 && s != 'Z' && s != 'X' {
			return false
		}
	}
	return true
}

// descendants are the processes that pid started, and those that these started.
func descendants(pid int) []int {
	children := map[int][]int{}
	entries, _ := filepath.Glob("/proc/[0-9]*") // the pattern is well-formed
	for _, entry := range entries {
		child, err := strconv.Atoi(filepath.Base(entry))
		if fields := stat(child); err == nil && len(fields) > 1 {
			if parent, err := strconv.Atoi(string(fields[1])); err == nil {
				children[parent] = append(children[parent], child)
			}
		}
	}
	family := append([]int(nil), children[pid]...)
	for i := 0; i < len(family); i++ {
		family = append(family, children[family[i]]...)
	}
	return family
}

// state is the letter for what a process does, 0 if there is none.
func state(pid int) byte {
	if fields := stat(pid); len(fields) > 0 && len(fields[0]) > 0 {
		return fields[0][0]
	}
	return 0
}

// stat is what the kernel says of a process, from its state on. Before that stands its name, with anything in it.
func stat(pid int) [][]byte {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil // it has ended
	}
	return bytes.Fields(line[bytes.LastIndexByte(line, ')')+1:])
}
