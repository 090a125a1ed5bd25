package sqlite

import (
	"context"
	"log/slog"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

// Config configures Open. The zero value means the documented defaults.
type Config struct {
	// Logger gets what the backend has to say. Defaults to slog.Default.
	Logger *slog.Logger
}

// Open opens the database file at path, and makes it where there is none; its folder must exist. It returns when the
// schema is up to date. Several processes of one machine may have the same file open.
//
// A file that cannot be used is left exactly as it is: the error says which file and why, and is ErrForeign, ErrNewer
// or ErrDamaged where it is one of these.
func Open(ctx context.Context, path string, cfg *Config) (*asyncevents.Backend, error) {
	if cfg == nil {
		cfg = &Config{}
	}
	db, err := openDatabase(ctx, path)
	if err != nil {
		return nil, err
	}
	backend, _ := sqlstore.NewBackend(db, newDialect(db), sqlstore.Parts{Flushers: 1, Logger: cfg.Logger})
	return backend, nil
}
