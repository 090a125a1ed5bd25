package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/postgres"
	"github.com/redrive-go/redrive/retry"
)

// tablePrefix is what the names of all tables begin with, those of the shop and those of the backend.
const tablePrefix = "outbox_"

const (
	// processors is how many orders are booked at once. Each booking holds a connection until its commit.
	processors = 10
	// counters is how many orders are placed at once, with a connection each.
	counters = 4
)

// The shop's own tables. Nothing in them keeps an order from being booked twice.
const tables = `
	CREATE TABLE IF NOT EXISTS outbox_orders (
		id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
		article text   NOT NULL,
		cents   bigint NOT NULL
	);
	CREATE TABLE IF NOT EXISTS outbox_bookings (order_id bigint NOT NULL, cents bigint NOT NULL)`

// shop takes orders and books them.
type shop struct {
	pool    *pgxpool.Pool
	backend *asyncevents.Backend
	service *asyncevents.Service
}

// order is what was bought, and the data of its event.
type order struct {
	ID      int64  `json:"id"`
	Article string `json:"article"`
	Cents   int64  `json:"cents"`
	Crash   crash  `json:"crash,omitempty"`
}

// eventID is the correlation id of the order's event.
func (o order) eventID() string { return fmt.Sprintf("order-%d", o.ID) }

// openShop makes tables and service. The backend and the shop share one pool, with connections for both: what the shop holds the
// backend would wait for.
func openShop(ctx context.Context, dsn string, log *slog.Logger) (*shop, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = postgres.DefaultConnections + processors + counters
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	s := &shop{pool: pool}
	if err := s.open(ctx, log); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *shop) open(ctx context.Context, log *slog.Logger) (err error) {
	if _, err = s.pool.Exec(ctx, tables); err != nil {
		return fmt.Errorf("make the tables: %w", err)
	}
	s.backend, err = postgres.New(ctx, s.pool, &postgres.Config{TablePrefix: tablePrefix, Logger: log})
	if err != nil {
		return err
	}
	s.service, err = asyncevents.New(s.backend, s.book, &asyncevents.Config{
		Concurrency: processors, Policy: retry.Fixed(200 * time.Millisecond), Logger: log,
	})
	return err
}

// close is called after the service has ended.
func (s *shop) close() (err error) {
	if s.backend != nil {
		err = s.backend.Close()
	}
	s.pool.Close()
	return err
}

// place writes an order and accepts its event in one transaction, which is committed unless last returns an error.
func (s *shop) place(ctx context.Context, o *order, last func() error) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		row := tx.QueryRow(ctx, `INSERT INTO outbox_orders (article, cents) VALUES ($1, $2) RETURNING id`, o.Article, o.Cents)
		if err := row.Scan(&o.ID); err != nil {
			return err
		}
		body, err := json.Marshal(map[string]any{"correlation_id": o.eventID(), "action": "book", "data": o})
		if err != nil {
			return err
		}
		if _, err := s.service.AcceptTx(ctx, tx, asyncevents.Submission{Body: body}); err != nil {
			return err
		}
		return last()
	})
}

// book is the processor: it books an order and completes its event in one transaction. Without the commit neither has
// happened, and the event is tried again; with it both have, whatever becomes of the processor afterwards.
func (s *shop) book(ctx context.Context, event asyncevents.Event) (any, error) {
	var o order
	if err := json.Unmarshal(event.Data, &o); err != nil {
		return nil, retry.Permanent(err)
	}
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO outbox_bookings (order_id, cents) VALUES ($1, $2)`, o.ID, o.Cents)
		if err != nil {
			return err
		}
		if err := s.service.CompleteTx(ctx, tx, event, map[string]int64{"booked": o.Cents}); err != nil {
			return err
		}
		return o.Crash.at(beforeCommit, event)
	})
	if err != nil {
		return nil, err
	}
	return nil, o.Crash.at(afterCommit, event) // the result was given to CompleteTx
}
