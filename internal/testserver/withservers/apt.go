package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// aptTimeout bounds the installation of packages.
const aptTimeout = 15 * time.Minute

// script installs packages without questions, and without letting Debian start servers of its own: a policy says so while it
// runs, unless the machine has one. Another process that installs packages is waited for.
const script = `set -e
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	trap 'rm -f "$policy"' EXIT
	trap 'exit 143' HUP INT TERM
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod +x "$policy"
fi
apt-get -o DPkg::Lock::Timeout=300 update -qq
apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "$@"
`

// apt installs Debian packages, for one caller at a time.
type apt struct {
	mu sync.Mutex
}

// privilege is what a command has to begin with to run as root.
func privilege() []string {
	if os.Getuid() == 0 {
		return nil
	}
	return []string{"sudo", "-n"}
}

// allowed says whether packages may be installed: there is apt-get, and we are root or can be without a password.
func (a *apt) allowed(ctx context.Context) error {
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("install packages: %w: there is no apt-get", errUnavailable)
	}
	sudo := privilege()
	if sudo == nil {
		return nil
	}
	if err := exec.CommandContext(ctx, sudo[0], append(sudo[1:], "true")...).Run(); err != nil { //nolint:gosec // fixed
		return fmt.Errorf("install packages: %w: we are not root, and sudo -n: %w", errUnavailable, err)
	}
	return nil
}

// install brings in packages. An error holds what apt-get wrote.
func (a *apt) install(ctx context.Context, packages []string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, aptTimeout)
	defer cancel()
	command := append(privilege(), "sh", "-c", script, "apt")
	command = append(command, packages...)
	cmd := exec.CommandContext(ctx, command[0], command[1:]...) //nolint:gosec // fixed
	// An installation is not broken off in the middle: the script ends after apt-get does, and clears up.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("install %s: %w\n%s", strings.Join(packages, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
