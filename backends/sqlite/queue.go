package sqlite

import (
	"context"
	"sync"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/queue"
	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

const (
	selectExpired = `
		SELECT d.id, m.uuid, m.payload, coalesce(d.metadata, m.metadata), coalesce(d.history, m.history),
		       d.attempt, m.redrives, d.claim, d.claimed_at
		FROM deliveries d JOIN messages m ON m.id = d.id
		WHERE d.topic = (SELECT id FROM topics WHERE name = ?) AND d.claim <> 0 AND d.due <= ? ORDER BY d.due LIMIT ?`
	renewClaims = `
		UPDATE deliveries SET due = ? FROM json_each(?) j
		WHERE deliveries.id = j.value ->> 'ID' AND deliveries.claim = j.value ->> 'Owner'
		RETURNING deliveries.id, deliveries.claim`
	selectBacklog = `
		SELECT t.messages, (SELECT count(*) FROM deliveries WHERE topic = t.id AND claim <> 0),
		       (SELECT count(*) FROM deliveries WHERE topic = t.id AND claim = 0 AND due > ?)
		FROM topics t WHERE t.name = ?`
)

// dialect implements sqlstore.Dialect.
type dialect struct {
	db *database

	mu      sync.Mutex
	cursors map[string]int64
}

func newDialect(db *database) *dialect { return &dialect{db: db, cursors: map[string]int64{}} }

// Name implements sqlstore.Dialect.
func (d *dialect) Name() string { return "sqlite" }

// Claim implements sqlstore.Dialect.
func (d *dialect) Claim(ctx context.Context, p queue.ClaimParams) ([]queue.Claimed, time.Duration, error) {
	var c claiming
	err := d.db.Write(ctx, func(t sqlstore.Tx) error {
		c = claiming{tx: t, ClaimParams: p, cursor: d.cursor(p.Topic), now: time.Now()}
		return c.run()
	})
	if err != nil {
		return nil, 0, err
	}
	d.moveCursor(p.Topic, c.cursor)
	next := time.Duration(-1)
	if c.nextDue > 0 {
		next = max(0, time.Until(sqlstore.FromMicros(c.nextDue)))
	}
	return c.decode(), next, nil
}

// cursor is an id below which no message of the topic is without its row in deliveries. It only saves looking:
// starting lower is slower, not wrong.
func (d *dialect) cursor(topic string) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cursors[topic]
}

func (d *dialect) moveCursor(topic string, to int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cursors[topic] = max(d.cursors[topic], to)
}

// Renew implements sqlstore.Dialect.
func (d *dialect) Renew(t sqlstore.Tx, claims []queue.Held, lease time.Duration) (kept []queue.Held, err error) {
	err = t.Query(sqlstore.ScanHeld(&kept), renewClaims, time.Now().Add(lease).UnixMicro(), jsonList(claims))
	return kept, err
}

// Expired implements sqlstore.Dialect.
func (d *dialect) Expired(t sqlstore.Tx, topic string, limit int, scan func(sqlstore.Scanner) error) error {
	return t.Query(scan, selectExpired, topic, time.Now().UnixMicro(), limit)
}

// Backlog implements sqlstore.Dialect.
func (d *dialect) Backlog(t sqlstore.Tx, topic string) (b asyncevents.Backlog, err error) {
	err = t.Query(func(row sqlstore.Scanner) error {
		if err := row.Scan(&b.Ready, &b.InFlight, &b.Delayed); err != nil {
			return err
		}
		b.Ready -= b.InFlight + b.Delayed
		return nil
	}, selectBacklog, time.Now().UnixMicro(), topic)
	return b, err
}
