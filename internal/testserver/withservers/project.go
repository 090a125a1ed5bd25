package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/redrive-go/redrive/internal/testserver"
)

const (
	engineTimeout = 20 * time.Second // to learn whether an engine answers
	upTimeout     = 10 * time.Minute // to fetch and start an image
	downTimeout   = 2 * time.Minute
	askInterval   = 200 * time.Millisecond
)

// engineAnswers says whether there is a Docker engine, and Docker Compose.
func engineAnswers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, engineTimeout)
	defer cancel()
	for _, args := range [][]string{{"info", "--format", "{{.ServerVersion}}"}, {"compose", "version"}} {
		if _, err := docker(ctx, args...); err != nil {
			return fmt.Errorf("Docker Compose: %w: %w", errUnavailable, err)
		}
	}
	return nil
}

// docker returns what the command wrote; an error holds its last complaint.
func docker(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "docker", args...).Output() //nolint:gosec // ours
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		lines := strings.Split(strings.TrimSpace(string(exit.Stderr)), "\n")
		return "", fmt.Errorf("docker %s: %w: %s", args[0], err, lines[len(lines)-1])
	}
	return strings.TrimSpace(string(out)), err
}

// project is one service of the compose file, apart from whatever else the file is used for on this machine.
type project struct {
	kind testserver.Kind
	args []string // before the command of docker compose
}

func newProject(file string, k testserver.Kind) project {
	name := "redrive-test-" + k.Service + "-" + strconv.Itoa(os.Getpid())
	return project{kind: k, args: []string{"compose", "--project-name", name, "--file", file}}
}

func (p project) do(ctx context.Context, args ...string) (string, error) {
	return docker(ctx, append(append([]string(nil), p.args...), args...)...)
}

// up starts the service and returns its address when it can be worked with.
func (p project) up(ctx context.Context) (address string, err error) {
	ctx, cancel := context.WithTimeout(ctx, upTimeout)
	defer cancel()
	if _, err := p.do(ctx, "up", "--detach", p.kind.Service); err != nil {
		return "", err
	}
	published, err := p.do(ctx, "port", p.kind.Service, strconv.Itoa(p.kind.Port))
	if err != nil {
		return "", err
	}
	if _, _, err := net.SplitHostPort(published); err != nil {
		return "", fmt.Errorf("Docker Compose: the port of %s: %w", p.kind.Service, err)
	}
	return published, p.await(ctx, p.kind.ComposeDSN(published))
}

// await connects until that works or the context ends.
func (p project) await(ctx context.Context, dsn string) error {
	tick := time.NewTicker(askInterval)
	defer tick.Stop()
	for {
		err := p.kind.Ping(ctx, dsn)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("Docker Compose: %w: %w", context.Cause(ctx), err)
		}
	}
}

// down removes the service with its data.
func (p project) down() error {
	ctx, cancel := context.WithTimeout(context.Background(), downTimeout)
	defer cancel()
	_, err := p.do(ctx, "down", "--volumes", "--timeout", "0")
	return err
}
