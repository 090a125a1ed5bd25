package postgres

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/queue"
	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

const (
	// The last row has no message, but the time until the next one is due.
	claimDue = `
		WITH due AS (
			SELECT id FROM {messages} WHERE topic = ? AND claim = 0 AND due <= {now}
			ORDER BY due LIMIT ? FOR UPDATE SKIP LOCKED
		), taken AS (
			UPDATE {messages} m SET claim = ?, attempt = m.attempt + 1, due = {now} + ?, claimed_at = {now}
			FROM due WHERE m.id = due.id
			RETURNING m.id, m.uuid, m.payload, m.metadata, m.history, m.attempt, m.redrives, m.claimed_at
		)
		SELECT * FROM taken
		UNION ALL
		SELECT 0, '', '', '', '', 0, 0, coalesce((
			SELECT due - {now} FROM {messages} WHERE topic = ? AND claim = 0 AND due > {now} ORDER BY due LIMIT 1), -1)`
	endClaims = `
		DELETE FROM {messages} m USING unnest(?::bigint[], ?::bigint[]) AS c (id, claim)
		WHERE m.id = c.id AND m.claim = c.claim RETURNING m.id`
	// Rows are locked in the order of their ids, so that two of these never wait for each other. Empty metadata stay as they
	// are, and so does the history then.
	returnClaims = `
		WITH mine AS (
			SELECT m.id, c.wait, c.unused, c.metadata, c.history
			FROM {messages} m JOIN unnest(?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[], ?::text[], ?::text[])
				AS c (id, claim, wait, unused, metadata, history) ON m.id = c.id AND m.claim = c.claim
			ORDER BY m.id FOR UPDATE OF m
		)
		UPDATE {messages} m SET claim = 0, due = {now} + mine.wait, attempt = m.attempt - mine.unused,
			metadata = CASE mine.metadata WHEN '' THEN m.metadata ELSE mine.metadata END,
			history = CASE mine.metadata WHEN '' THEN m.history ELSE mine.history END
		FROM mine WHERE m.id = mine.id RETURNING m.id`
	// A row that is locked is held all the same, by a transaction of the host's that completes it: nobody waits for that.
	renewClaims = `
		WITH free AS (
			SELECT id FROM {messages} WHERE id = ANY (?::bigint[]) AND claim = ? FOR UPDATE SKIP LOCKED
		), renewed AS (
			UPDATE {messages} m SET due = {now} + ? FROM free WHERE m.id = free.id
		)
		SELECT id FROM {messages} WHERE id = ANY (?::bigint[]) AND claim = ?`
	selectExpired = `
		SELECT id, uuid, payload, metadata, history, attempt, redrives, claim, claimed_at
		FROM {messages} WHERE topic = ? AND claim <> 0 AND due <= {now} ORDER BY due LIMIT ? FOR UPDATE SKIP LOCKED`
)

// Claim implements sqlstore.Dialect, in one statement.
func (d *dialect) Claim(ctx context.Context, p queue.ClaimParams) ([]queue.Claimed, time.Duration, error) {
	if err := d.db.Usable(ctx); err != nil {
		return nil, 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, sqlstore.WriteTimeout)
	defer cancel()
	claimed := make([]queue.Claimed, 0, p.Limit)
	next := int64(-1)
	err := d.db.Direct(ctx).Query(func(row sqlstore.Scanner) error {
		var last int64
		c, metadata, err := sqlstore.ScanClaimed(row, &last)
		if err != nil {
			return err
		}
		if c.ID == 0 {
			next = last
			return nil
		}
		c.Owner, c.ClaimedAt = p.Owner, sqlstore.FromMicros(last)
		c.Metadata, c.Damage = sqlstore.DecodeMetadata(metadata)
		claimed = append(claimed, c)
		return nil
	}, claimDue, p.Topic, p.Limit, p.Owner, p.Lease.Microseconds(), p.Topic)
	if errors.Is(err, sqlstore.ErrConflict) {
		return nil, 0, nil
	}
	return claimed, time.Duration(next) * time.Microsecond, err
}

// Settle implements sqlstore.Dialect.
func (d *dialect) Settle(t sqlstore.Tx, settlements []queue.Settlement) (held []bool, err error) {
	var done, back []queue.Settlement
	for _, s := range settlements {
		if s.Outcome == queue.Done {
			done = append(done, s)
		} else {
			back = append(back, s)
		}
	}
	ended, err := end(t, done)
	if err != nil {
		return nil, err
	}
	returned, err := putBack(t, back)
	if err != nil {
		return nil, err
	}
	held = make([]bool, len(settlements))
	for i, s := range settlements {
		if s.Outcome == queue.Done {
			held[i] = ended(s)
		} else {
			held[i] = returned(s)
		}
	}
	return held, nil
}

// end removes claimed messages, and tells which were still held.
func end(t sqlstore.Tx, done []queue.Settlement) (held func(queue.Settlement) bool, err error) {
	ids, claims := make([]int64, len(done)), make([]int64, len(done))
	for i, s := range done {
		ids[i], claims[i] = s.ID, s.Owner
	}
	return settled(t, done, endClaims, ids, claims)
}

// putBack has messages wait again, and tells which were still held.
func putBack(t sqlstore.Tx, back []queue.Settlement) (held func(queue.Settlement) bool, err error) {
	n := len(back)
	ids, claims, waits, unused := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	metadata, histories := make([]string, n), make([]string, n)
	for i, s := range back {
		ids[i], claims[i], waits[i] = s.ID, s.Owner, s.After.Microseconds()
		if s.Outcome == queue.Unused {
			unused[i], waits[i] = 1, 0
		}
		if s.Metadata == nil {
			continue
		}
		if metadata[i], err = sqlstore.EncodeMetadata(s.Metadata); err != nil {
			return nil, err
		}
		histories[i] = s.History
	}
	return settled(t, back, returnClaims, ids, claims, waits, unused, metadata, histories)
}

// settled runs a statement that returns the ids of those messages whose claim stood: as good as always all.
func settled(
	t sqlstore.Tx, settlements []queue.Settlement, statement string, args ...any,
) (held func(queue.Settlement) bool, err error) {
	if len(settlements) == 0 {
		return nil, nil
	}
	ids, err := sqlstore.Ints(t, statement, args...)
	if err != nil {
		return nil, err
	}
	if len(ids) == len(settlements) {
		return func(queue.Settlement) bool { return true }, nil
	}
	return func(s queue.Settlement) bool { return slices.Contains(ids, s.ID) }, nil
}

// Renew implements sqlstore.Dialect.
func (d *dialect) Renew(t sqlstore.Tx, owner int64, ids []int64, lease time.Duration) ([]int64, error) {
	return sqlstore.Ints(t, renewClaims, ids, owner, lease.Microseconds(), ids, owner)
}

// Expired implements sqlstore.Dialect.
func (d *dialect) Expired(t sqlstore.Tx, topic string, limit int, scan func(sqlstore.Scanner) error) error {
	return t.Query(scan, selectExpired, topic, limit)
}

// countLimit is up to where a backlog is counted. Above it, the planner's estimate is good enough.
const countLimit = 50_000

// backlogs are the parts of a backlog, in the order of asyncevents.Backlog.
var backlogs = [...]string{
	`SELECT 1 FROM {messages} WHERE topic = ? AND claim = 0 AND due <= {now}`,
	`SELECT 1 FROM {messages} WHERE topic = ? AND claim = 0 AND due > {now}`,
	`SELECT 1 FROM {messages} WHERE topic = ? AND claim <> 0`,
}

// Backlog implements sqlstore.Dialect.
func (d *dialect) Backlog(t sqlstore.Tx, topic string) (b asyncevents.Backlog, err error) {
	for i, into := range []*int64{&b.Ready, &b.Delayed, &b.InFlight} {
		query := "SELECT count(*) FROM (" + backlogs[i] + " LIMIT ?) counted"
		if err := sqlstore.One(t, []any{into}, query, topic, countLimit+1); err != nil {
			return b, err
		}
		if *into <= countLimit {
			continue
		}
		b.Estimated = true
		if *into, err = estimate(t, backlogs[i], topic); err != nil {
			return b, err
		}
	}
	return b, nil
}
