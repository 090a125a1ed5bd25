package sqlite

import (
	"time"

	"github.com/redrive-go/redrive/backends/internal/queue"
	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

// A bare parameter behind LIMIT would have SQLite plan the query anew each time it is run; +? is the same without
// that.
const (
	selectDue = `
		SELECT d.id, m.uuid, m.payload, coalesce(d.metadata, m.metadata), coalesce(d.history, m.history),
		       d.attempt + 1, m.redrives
		FROM deliveries d JOIN messages m ON m.id = d.id
		WHERE d.topic = ? AND d.claim = 0 AND d.due <= ? ORDER BY d.due LIMIT +?`
	claimDue = `
		UPDATE deliveries SET claim = ?, due = ?, claimed_at = ?, attempt = attempt + 1
		WHERE id IN (SELECT value FROM json_each(?))`
	selectFresh = `
		SELECT m.id, m.uuid, m.payload, m.metadata, m.history, 1, m.redrives
		FROM messages m
		WHERE m.id > ? AND m.id < ? AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.id = m.id)
		ORDER BY m.id LIMIT +?`
	claimFresh = `
		INSERT INTO deliveries (claim, due, claimed_at, topic, attempt, id)
		SELECT ?, ?, ?, ?, 1, value FROM json_each(?)`
	selectNextDue = `SELECT coalesce(min(due), 0) FROM deliveries WHERE topic = ? AND claim = 0`
)

// claiming is one claim on its way through a transaction.
type claiming struct {
	queue.ClaimParams
	tx      sqlstore.Tx
	now     time.Time
	topic   topic
	cursor  int64
	claimed []queue.Claimed
	texts   []string // the metadata of claimed, not decoded yet
	nextDue int64
}

func (c *claiming) run() (err error) {
	if c.topic, err = topicOf(c.tx, c.Topic); err != nil {
		return err
	}
	c.cursor = max(c.cursor, c.topic.base())
	if err := c.lookAhead(); err != nil {
		return err
	}
	// Half for what is due again, half for what is new: neither waits for the other to run dry.
	if err := c.due((c.Limit + 1) / 2); err != nil {
		return err
	}
	if err := c.fresh(c.Limit - len(c.claimed)); err != nil {
		return err
	}
	return c.due(c.Limit - len(c.claimed))
}

// lookAhead finds out when the next message is due.
func (c *claiming) lookAhead() error {
	return sqlstore.One(c.tx, []any{&c.nextDue}, selectNextDue, c.topic.id)
}

// due claims messages that are due again. As a rule none is, and that is known without looking.
func (c *claiming) due(limit int) error {
	if limit == 0 || c.nextDue == 0 || c.nextDue > c.now.UnixMicro() {
		return nil
	}
	err := c.take(limit, func(ids string) (int64, error) {
		return c.tx.Exec(claimDue, c.Owner, c.until(), c.now.UnixMicro(), ids)
	}, selectDue, c.topic.id, c.now.UnixMicro(), limit)
	if err != nil {
		return err
	}
	return c.lookAhead()
}

// fresh claims messages that were never claimed.
func (c *claiming) fresh(limit int) error {
	if limit == 0 {
		return nil
	}
	before := len(c.claimed)
	err := c.take(limit, func(ids string) (int64, error) {
		return c.tx.Exec(claimFresh, c.Owner, c.until(), c.now.UnixMicro(), c.topic.id, ids)
	}, selectFresh, c.cursor, c.topic.end(), limit)
	if err != nil {
		return err
	}
	if n := len(c.claimed); n-before == limit {
		c.cursor = c.claimed[n-1].ID
	} else {
		c.cursor = max(c.cursor, c.topic.base()+c.topic.last)
	}
	return nil
}

func (c *claiming) until() int64 { return c.now.Add(c.Lease).UnixMicro() }

// take reads messages and has them marked as claimed.
func (c *claiming) take(limit int, mark func(ids string) (int64, error), query string, args ...any) error {
	ids := make([]int64, 0, limit)
	err := c.tx.Query(func(row sqlstore.Scanner) error {
		claimed, text, err := sqlstore.ScanClaimed(row)
		claimed.Owner, claimed.ClaimedAt = c.Owner, c.now
		c.claimed, c.texts = append(c.claimed, claimed), append(c.texts, text)
		ids = append(ids, claimed.ID)
		return err
	}, query, args...)
	if err != nil || len(ids) == 0 {
		return err
	}
	_, err = mark(jsonList(ids))
	return err
}

// decode makes sense of the metadata. It waits until the transaction is over: others wait for that.
func (c *claiming) decode() []queue.Claimed {
	for i := range c.claimed {
		c.claimed[i].Metadata, c.claimed[i].Damage = sqlstore.DecodeMetadata(c.texts[i])
	}
	return c.claimed
}
