package testserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// ErrNotInstalled is returned when a program that a server needs is not on this machine.
var ErrNotInstalled = errors.New("not installed")

// Program is a program of a server: the names that it goes by, best first.
type Program []string

// inPath is a place that stands for those in PATH.
const inPath = "$PATH"

// places are where programs of servers are looked for, in this order. Those of RabbitMQ that packages put into PATH are
// wrappers, which know only the one server of the machine; most others are kept where not everybody's PATH leads.
var places = []string{"/usr/lib/rabbitmq/bin", inPath, "/usr/lib/postgresql/*/bin", "/usr/sbin", "/usr/local/sbin"}

// String is the first of the program's names.
func (p Program) String() string { return p[0] }

// Find returns the program's path, the newest if there are several in one place. It returns ErrNotInstalled.
func (p Program) Find() (string, error) {
	return p.find(places)
}

func (p Program) find(places []string) (string, error) {
	for _, name := range p {
		for _, place := range places {
			if path := look(place, name); path != "" {
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("%s: %w", p, ErrNotInstalled)
}

// look returns the program of that name in a place, or "".
func look(place, name string) string {
	if place != inPath {
		return newest(filepath.Join(place, name))
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	return path
}

// version is what the program says of itself, on one line.
func (p Program) version(ctx context.Context) (string, error) {
	path, err := p.Find()
	if err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, path, "--version").Output() //nolint:gosec // the path is one of ours
	if err != nil {
		return "", fmt.Errorf("%s --version: %w", path, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// newest returns the program that pattern matches, the one with the highest version in its path if there are several.
func newest(pattern string) string {
	found, err := filepath.Glob(pattern)
	if err != nil {
		return "" // the patterns are constants; a bad one matches nothing
	}
	slices.SortFunc(found, func(a, b string) int { return cmp.Compare(version(b), version(a)) })
	for _, path := range found {
		if path, err := exec.LookPath(path); err == nil {
			return path
		}
	}
	return ""
}

// version is the last number that is a folder of its own in a path, as 15 in /usr/lib/postgresql/15/bin.
func version(path string) (last float64) {
	for part := range strings.SplitSeq(path, "/") {
		if v, err := strconv.ParseFloat(part, 64); err == nil {
			last = v
		}
	}
	return last
}
