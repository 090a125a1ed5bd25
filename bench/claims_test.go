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

// claims times the statements of a PostgreSQL backend that claim messages, rows included: they travel in batches.
type claims struct {
	mu   sync.Mutex
	took []time.Duration
}

type claimStarted struct{}

// TraceQueryStart implements pgx.QueryTracer, without which nothing is traced.
func (c *claims) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (c *claims) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TraceBatchStart implements pgx.BatchTracer.
func (c *claims) TraceBatchStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchStartData) context.Context {
	for _, query := range data.Batch.QueuedQueries {
		if strings.Contains(query.SQL, "attempt + 1") {
			return context.WithValue(ctx, claimStarted{}, time.Now())
		}
	}
	return ctx
}

// TraceBatchQuery implements pgx.BatchTracer.
func (c *claims) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd implements pgx.BatchTracer.
func (c *claims) TraceBatchEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchEndData) {
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

// timedBy returns the kind with backends whose claims are timed, where that is possible.
func (k kind) timedBy(c *claims) kind {
	if timed := k.timed; timed != nil {
		k.open = func(ctx context.Context, place string) (*asyncevents.Backend, error) { return timed(ctx, place, c) }
	}
	return k
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
