package testserver

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// site is where one server lives.
type site struct {
	dir      string
	account  *account
	port     int
	password string // random, so that whoever logs in knows that it is this server that answers
}

// newSite takes a folder, making it if need be, for a server that must run as one of the accounts when we are root.
func newSite(dir string, accounts []string) (*site, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find the folder of a server: %w", err)
	}
	if err := os.MkdirAll(dir, 0o711); err != nil { //nolint:gosec // the server must enter
		return nil, fmt.Errorf("make the folder of a server: %w", err)
	}
	a, err := findAccount(accounts...)
	if err != nil {
		return nil, err
	}
	if err := a.reach(dir); err != nil {
		return nil, err
	}
	return &site{dir: dir, account: a, password: rand.Text()}, a.own(dir)
}

// path is a place in the folder.
func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

// write makes a file that only the server can read, and returns its path.
func (s *site) write(name, content string) (string, error) {
	path := s.path(name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		return "", fmt.Errorf("write a server's file: %w", err)
	}
	return path, s.account.own(path)
}

// run makes cmd a process of this site, which writes to its log, and starts it.
func (s *site) run(cmd *exec.Cmd) (*process, error) {
	log, err := os.OpenFile(s.path("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open a server's log: %w", err)
	}
	defer func() { _ = log.Close() }() // the process has its own handle
	if err := s.account.own(log.Name()); err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = log, log
	return s.launch(cmd)
}

// launch starts cmd in the folder, as the account.
func (s *site) launch(cmd *exec.Cmd) (*process, error) {
	cmd.Dir, cmd.Env, cmd.SysProcAttr = s.dir, s.environ(), attributes(s.account)
	return launch(cmd)
}

// ask runs a program of this site to its end and returns what it wrote. An error holds its complaints.
func (s *site) ask(cmd *exec.Cmd) (string, error) {
	var out, complaints strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &complaints
	p, err := s.launch(cmd)
	if err != nil {
		return "", err
	}
	<-p.done
	if p.err != nil {
		return "", fmt.Errorf("%s: %w\n%s", cmd.Path, p.err, strings.TrimSpace(complaints.String()))
	}
	return out.String(), nil
}

// finish runs a program of this site to its end.
func (s *site) finish(cmd *exec.Cmd) error {
	p, err := s.run(cmd)
	if err != nil {
		return err
	}
	<-p.done
	if p.err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd.Path, p.err, s.log())
	}
	return nil
}

// environ is ours without what would lead servers elsewhere.
func (s *site) environ() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		for _, prefix := range []string{"PG", "MYSQL", "MARIADB", "RABBITMQ_", "ERL_", "XDG_", "LC_", "LANG",
			"NOTIFY_SOCKET=", "REDRIVE_"} {
			if strings.HasPrefix(v, prefix) {
				return true
			}
		}
		return false
	})
	return append(env, "LC_ALL=C", "HOME="+s.dir, "TMPDIR="+s.dir, "RABBITMQ_CONF_ENV_FILE="+s.path(rabbitmqEnvironment))
}

// log is the end of what the server wrote, for errors.
func (s *site) log() string {
	const most = 1 << 10 // more would hide what a test says itself
	log, err := os.ReadFile(s.path("log"))
	if err != nil {
		return "its log cannot be read: " + err.Error()
	}
	return strings.TrimSpace(string(log[max(0, len(log)-most):]))
}
