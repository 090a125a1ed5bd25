package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/memory"
	"github.com/redrive-go/redrive/backends/sqlite"
)

// openBackend opens what -backend and -dsn name, and makes the folder of a database file.
func openBackend(ctx context.Context, o options, log *slog.Logger) (*asyncevents.Backend, error) {
	if o.backend == backendMemory {
		return memory.New(), nil
	}
	if err := os.MkdirAll(filepath.Dir(o.dsn), 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the database: %w", err)
	}
	return sqlite.Open(ctx, o.dsn, &sqlite.Config{Logger: log})
}
