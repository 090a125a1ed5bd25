package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/gather"
	"github.com/redrive-go/redrive/backends/internal/queue"
)

// maxPublishBatch bounds how many Publish calls share one insert.
const maxPublishBatch = 512

const (
	selectExpired = `
		SELECT d.id, m.uuid, m.payload, coalesce(d.metadata, m.metadata), coalesce(d.history, m.history),
		       d.attempt, m.redrives, d.claim, d.claimed_at
		FROM deliveries d JOIN messages m ON m.id = d.id
		WHERE d.topic = (SELECT id FROM topics WHERE name = ?) AND d.claim <> 0 AND d.due <= ? ORDER BY d.due LIMIT ?`
	renewClaims = `
		UPDATE deliveries SET due = ? WHERE claim = ? AND id IN (SELECT value FROM json_each(?)) RETURNING id`
	countHeld    = `SELECT count(*) FROM deliveries WHERE topic = ? AND claim <> 0`
	countDelayed = `SELECT count(*) FROM deliveries WHERE topic = ? AND claim = 0 AND due > ?`
)

// queueDriver implements queue.Driver.
type queueDriver struct {
	db      *database
	bell    queue.Bell
	publish *gather.Gatherer[[]outgoing]

	mu      sync.Mutex
	cursors map[string]int64
}

func newQueueDriver(db *database) *queueDriver {
	d := &queueDriver{db: db, cursors: map[string]int64{}}
	d.publish = gather.New(maxPublishBatch, 1, d.flush)
	return d
}

// Wakes implements queue.Driver.
func (d *queueDriver) Wakes() *queue.Bell { return &d.bell }

// Publish implements queue.Driver.
func (d *queueDriver) Publish(ctx context.Context, topic string, messages ...*message.Message) error {
	out := make([]outgoing, len(messages))
	for i, m := range messages {
		var err error
		if out[i], err = newOutgoing(topic, m); err != nil {
			return fmt.Errorf("sqlite: publish: %w", err)
		}
	}
	return join(ctx, d.publish, out)
}

func (d *queueDriver) flush(batch [][]outgoing) []error {
	all := byTopic(slices.Concat(batch...))
	if err := d.db.write(context.Background(), func(t *tx) error { return t.publish(all) }); err != nil {
		if len(batch) == 1 || isBusy(err) {
			return gather.Fail(len(batch), err)
		}
		return d.flushApart(batch)
	}
	d.ring(all)
	return nil
}

// byTopic sorts messages so that each topic is written to once.
func byTopic(messages []outgoing) []outgoing {
	slices.SortStableFunc(messages, func(a, b outgoing) int { return strings.Compare(a.topic, b.topic) })
	return messages
}

// flushApart publishes call by call what failed together, so that one bad message fails alone.
func (d *queueDriver) flushApart(batch [][]outgoing) []error {
	errs := make([]error, len(batch))
	for i, one := range batch {
		errs[i] = d.db.write(context.Background(), func(t *tx) error { return t.publish(one) })
		if errs[i] == nil {
			d.ring(one)
		}
	}
	return errs
}

// ring wakes the consumers of the topics that messages went to.
func (d *queueDriver) ring(messages []outgoing) {
	last := ""
	for _, m := range messages {
		if m.topic != last {
			d.bell.Ring(m.topic)
			last = m.topic
		}
	}
}

// Claim implements queue.Driver.
func (d *queueDriver) Claim(ctx context.Context, p queue.ClaimParams) ([]queue.Claimed, time.Duration, error) {
	var c claiming
	err := d.db.write(ctx, func(t *tx) error {
		c = claiming{tx: t, ClaimParams: p, cursor: d.cursor(p.Topic), now: time.Now()}
		return c.run()
	})
	if err != nil {
		return nil, 0, fmt.Errorf("sqlite: claim from %q: %w", p.Topic, err)
	}
	d.moveCursor(p.Topic, c.cursor)
	next := time.Duration(-1)
	if c.nextDue > 0 {
		next = max(0, time.Until(fromMicros(c.nextDue)))
	}
	return c.decode(), next, nil
}

// cursor is an id below which no message of the topic is without its row in deliveries. It only saves looking:
// starting lower is slower, not wrong.
func (d *queueDriver) cursor(topic string) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cursors[topic]
}

func (d *queueDriver) moveCursor(topic string, to int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cursors[topic] = max(d.cursors[topic], to)
}

// Renew implements queue.Driver.
func (d *queueDriver) Renew(ctx context.Context, owner int64, ids []int64, lease time.Duration) ([]int64, error) {
	var kept []int64
	err := d.db.write(ctx, func(t *tx) (err error) {
		kept, err = t.ints(renewClaims, time.Now().Add(lease).UnixMicro(), owner, jsonList(ids))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("sqlite: renew leases: %w", err)
	}
	lost := slices.DeleteFunc(slices.Clone(ids), func(id int64) bool { return slices.Contains(kept, id) })
	return lost, nil
}

// Expired implements queue.Driver.
func (d *queueDriver) Expired(ctx context.Context, topic string, limit int) (expired []queue.Claimed, err error) {
	err = d.db.read(ctx, func(t *sql.Tx) error {
		rows, err := t.QueryContext(ctx, selectExpired, topic, time.Now().UnixMicro(), limit)
		if err != nil {
			return err
		}
		return eachRow(rows, func(row scanner) error {
			var owner, at int64
			c, metadata, err := scanClaimed(row, &owner, &at)
			c.Metadata, c.Damage = decodeMetadata(metadata)
			c.Owner, c.ClaimedAt = owner, fromMicros(at)
			expired = append(expired, c)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("sqlite: look for expired leases of %q: %w", topic, err)
	}
	return expired, nil
}

// backlog counts the messages of a topic.
func (d *queueDriver) backlog(ctx context.Context, name string) (b asyncevents.Backlog, err error) {
	err = d.db.read(ctx, func(t *sql.Tx) error {
		topic, err := look(ctx, t, selectTopic, name)
		if err != nil {
			return err
		}
		if err := t.QueryRowContext(ctx, countHeld, topic.id).Scan(&b.InFlight); err != nil {
			return err
		}
		if err := t.QueryRowContext(ctx, countDelayed, topic.id, time.Now().UnixMicro()).Scan(&b.Delayed); err != nil {
			return err
		}
		b.Ready = topic.held - b.InFlight - b.Delayed
		return nil
	})
	if err != nil {
		return b, fmt.Errorf("sqlite: count the messages of %q: %w", name, err)
	}
	return b, nil
}
