package testserver

import (
	"context"
	"fmt"
	"strings"
)

// Kind describes a kind of server that tests need, and every way to get one.
type Kind struct {
	// Name is what people call it, as in "PostgreSQL".
	Name string

	// Variable is the environment variable with the DSN of a server.
	Variable string

	// Start starts a private server in a folder, from Programs.
	Start func(ctx context.Context, dir string) (*Server, error)

	// Programs are what Start runs. The first of them is the server itself.
	Programs []Program

	// Helpers are programs that only some tests of this kind need.
	Helpers []Program

	// Packages are the Debian packages that bring Programs and Helpers.
	Packages []string

	// Version is what the installed server says of itself, on one line.
	Version func(ctx context.Context) (string, error)

	// Service and Port name the server in compose.yaml, and where it listens within its container.
	Service string
	Port    int

	// ComposeDSN is the DSN of the server of compose.yaml whose port is found at address (host:port).
	ComposeDSN func(address string) string

	// Ping tells whether a server can be worked with, by connecting and asking it something.
	Ping func(ctx context.Context, dsn string) error
}

// Kinds are all the kinds of servers that tests may ask for.
func Kinds() []Kind {
	return []Kind{postgresKind(), mysqlKind(), rabbitmqKind()}
}

// Missing returns ErrNotInstalled with the names of the programs that are not installed, or nil.
func Missing(programs ...Program) error {
	var names []string
	for _, p := range programs {
		if _, err := p.Find(); err != nil {
			names = append(names, p.String())
		}
	}
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("%s: %w", strings.Join(names, ", "), ErrNotInstalled)
}
