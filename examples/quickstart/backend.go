package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/amqp"
	"github.com/redrive-go/redrive/backends/memory"
	"github.com/redrive-go/redrive/backends/mysql"
	"github.com/redrive-go/redrive/backends/postgres"
	"github.com/redrive-go/redrive/backends/sqlite"
)

// openBackend opens what -backend, -dsn and -store-dsn name. A server or broker that is away at the moment is no error.
func openBackend(ctx context.Context, o options, log *slog.Logger) (*asyncevents.Backend, error) {
	s := o.store()
	store, err := openStore(ctx, s.kind, *s.dsn, log)
	if err != nil || o.backend != backendAMQP {
		return store, err
	}
	backend, err := amqp.Open(ctx, o.dsn, store, &amqp.Config{Outbox: o.outbox, QueuePrefix: o.queuePrefix, Logger: log})
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return backend, nil
}

// openStore makes the folder of a database file.
func openStore(ctx context.Context, kind, dsn string, log *slog.Logger) (*asyncevents.Backend, error) {
	switch kind {
	case backendMemory:
		return memory.New(), nil
	case backendPostgres:
		return postgres.Open(ctx, dsn, &postgres.Config{Logger: log})
	case backendMySQL:
		return mysql.Open(ctx, dsn, &mysql.Config{Logger: log})
	}
	if err := os.MkdirAll(filepath.Dir(dsn), 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the database: %w", err)
	}
	return sqlite.Open(ctx, dsn, &sqlite.Config{Logger: log})
}
