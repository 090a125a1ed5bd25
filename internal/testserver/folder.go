package testserver

import (
	"fmt"
	"os"
	"path/filepath"
)

// MakeFolder makes a temporary folder for servers, which the caller removes. Unlike other temporary folders, a server that
// runs as another user can enter it.
func MakeFolder() (string, error) {
	dir, err := os.MkdirTemp(shared(), "redrive-test-")
	if err != nil {
		return "", fmt.Errorf("make a folder for servers: %w", err)
	}
	if os.Getuid() != 0 {
		return dir, nil
	}
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // others must enter, see above
		return "", fmt.Errorf("open the folder of servers: %w", err)
	}
	return dir, nil
}

// shared is the first folder of temporary files that everybody can reach. Root may have one of its own.
func shared() string {
	if os.Getuid() != 0 {
		return ""
	}
	anybody := &account{name: "anybody"}
	for _, dir := range []string{os.TempDir(), "/tmp", "/var/tmp"} {
		if anybody.reach(filepath.Join(dir, "x")) == nil {
			return dir
		}
	}
	return ""
}
