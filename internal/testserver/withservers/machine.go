package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/redrive-go/redrive/internal/testserver"
)

// machine is the one we run on.
type machine struct {
	compose string    // the file for Docker Compose
	out     io.Writer // what is said
	apt     apt

	engine sync.Once
	silent error // why no Docker engine answers; set by engine
}

func (m *machine) given(k testserver.Kind) string { return os.Getenv(k.Variable) }

func (m *machine) missing(programs ...testserver.Program) error {
	return testserver.Missing(programs...)
}

// start starts a private server in a temporary folder.
func (m *machine) start(ctx context.Context, k testserver.Kind) (*used, error) {
	if err := testserver.Missing(k.Programs...); err != nil {
		return nil, err
	}
	version, err := k.Version(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := testserver.MakeFolder()
	if err != nil {
		return nil, err
	}
	s, err := k.Start(ctx, dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &used{
		kind: k,
		dsn:  s.DSN(),
		how:  fmt.Sprintf("started %s on %s, in %s", version, s.Address(), dir),
		end:  func() error { return errors.Join(s.Kill(), os.RemoveAll(dir)) }, // nobody needs its data any more
	}, nil
}

// up starts a service of the compose file.
func (m *machine) up(ctx context.Context, k testserver.Kind) (*used, error) {
	m.engine.Do(func() { m.silent = engineAnswers(ctx) })
	if m.silent != nil {
		return nil, m.silent
	}
	p := newProject(m.compose, k)
	address, err := p.up(ctx)
	if err != nil {
		return nil, errors.Join(err, p.down())
	}
	return &used{
		kind: k,
		dsn:  k.ComposeDSN(address),
		how:  "Docker Compose, service " + k.Service + " on " + address,
		end:  p.down,
	}, nil
}

// install installs the Debian packages of the kind.
func (m *machine) install(ctx context.Context, k testserver.Kind) error {
	if err := m.apt.allowed(ctx); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(m.out, "withservers: %s: install the packages %s\n", k.Name, strings.Join(k.Packages, " "))
	return m.apt.install(ctx, k.Packages)
}
