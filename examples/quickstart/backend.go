package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/memory"
	"github.com/redrive-go/redrive/backends/mysql"
	"github.com/redrive-go/redrive/backends/postgres"
	"github.com/redrive-go/redrive/backends/sqlite"
)

// openBackend opens what -backend and -dsn name, and makes the folder of a database file. A server that is away at the
// moment is no error.
func openBackend(ctx context.Context, o options, log *slog.Logger) (*asyncevents.Backend, error) {
	switch o.backend {
	case backendMemory:
		return memory.New(), nil
	case backendPostgres:
		return postgres.Open(ctx, o.dsn, &postgres.Config{Logger: log})
	case backendMySQL:
		return mysql.Open(ctx, o.dsn, &mysql.Config{Logger: log})
	}
	if err := os.MkdirAll(filepath.Dir(o.dsn), 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the database: %w", err)
	}
	return sqlite.Open(ctx, o.dsn, &sqlite.Config{Logger: log})
}
