package bench

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/postgres"
)

// claims times the statements of a PostgreSQL backend that claim messages, rows included.
type claims struct {
	mu   sync.Mutex
	took []time.Duration
}

type claimStarted struct{}

// TraceQueryStart implements pgx.QueryTracer.
func (c *claims) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	if !strings.Contains(data.SQL, "attempt + 1") {
		return ctx
	}
	return context.WithValue(ctx, claimStarted{}, time.Now())
}

// TraceQueryEnd implements pgx.QueryTracer.
func (c *claims) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryEndData) {
	if started, ok := ctx.Value(claimStarted{}).(time.Time); ok {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.took = append(c.took, time.Since(started))
	}
}

// times are those of all claims up to now.
func (c *claims) times() []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]time.Duration(nil), c.took...)
}

// openTimed opens a backend whose claims are timed.
func openTimed(ctx context.Context, dsn string, c *claims) (*asyncevents.Backend, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	cfg.MaxConns, cfg.ConnConfig.Tracer = postgres.DefaultConnections, c
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	backend, err := postgres.New(ctx, pool, &postgres.Config{Logger: quiet})
	if err != nil {
		pool.Close()
		return nil, err
	}
	closeBackend := backend.Close
	backend.Close = func() error {
		defer pool.Close()
		return closeBackend()
	}
	return backend, nil
}
