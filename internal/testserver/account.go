package testserver

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
)

// account is the user that a server runs as; nil is the user who runs the tests.
type account struct {
	name     string
	uid, gid uint32
}

// findAccount returns the first of the users that exists if we are root, since servers refuse to run as that.
func findAccount(names ...string) (*account, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range append(names, "nobody") {
		u, err := user.Lookup(name)
		if errors.As(err, new(user.UnknownUserError)) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look up the user %s: %w", name, err)
		}
		return newAccount(u)
	}
	return nil, fmt.Errorf("servers do not run as root, and there is none of the users %v and nobody", names)
}

func newAccount(u *user.User) (*account, error) {
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user id of %s: %w", u.Username, err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("group id of %s: %w", u.Username, err)
	}
	return &account{name: u.Username, uid: uint32(uid), gid: uint32(gid)}, nil
}

// own hands files to the account.
func (a *account) own(paths ...string) error {
	if a == nil {
		return nil
	}
	for _, path := range paths {
		if err := os.Chown(path, int(a.uid), int(a.gid)); err != nil {
			return fmt.Errorf("hand over to %s: %w", a.name, err)
		}
	}
	return nil
}

// reach says whether the account can enter the folder in which dir is.
func (a *account) reach(dir string) error {
	if a == nil {
		return nil
	}
	for parent := filepath.Dir(dir); ; parent = filepath.Dir(parent) {
		info, err := os.Stat(parent)
		if err != nil {
			return fmt.Errorf("look at the folder of a server: %w", err)
		}
		if info.Mode()&0o001 == 0 {
			return fmt.Errorf("the server's folder %s cannot be reached by the user %s: %s is closed", dir, a.name, parent)
		}
		if parent == filepath.Dir(parent) {
			return nil
		}
	}
}
