package mysql

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/queue"
	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

// Indexes are forced: what a server knows of a table that was empty a moment ago would have it look through all of it, and
// whoever locks rows waits for those of others then.
const (
	selectDue = `
		SELECT id, uuid, payload, metadata, history, attempt + 1, redrives, {now}
		FROM {messages} FORCE INDEX (waiting) WHERE topic = ? AND held = 0 AND due <= {now}
		ORDER BY due LIMIT ? FOR UPDATE SKIP LOCKED`
	claimDue = `
		UPDATE {messages} FORCE INDEX (PRIMARY) SET held = 1, claim = ?, attempt = attempt + 1, claimed_at = ?, due = ?
		WHERE id IN %s`
	selectNextDue = `
		SELECT due - {now} FROM {messages} FORCE INDEX (waiting) WHERE topic = ? AND held = 0 ORDER BY due LIMIT 1`

	// Rows are locked in the order of their ids, so that two of these never wait for each other.
	lockClaims = `
		SELECT id, claim, attempt FROM {messages} FORCE INDEX (PRIMARY) WHERE id IN %s ORDER BY id FOR UPDATE`
	// Only a join can be kept from looking through the whole of a small table, waiting for rows that others have locked.
	deleteMessages = `DELETE m FROM (%s) gone STRAIGHT_JOIN {messages} m FORCE INDEX (PRIMARY) ON m.id = gone.id`
	goneID         = `SELECT CAST(? AS SIGNED) AS id`

	// A row that is locked is held all the same, by a transaction of the host's that completes it: nobody waits for that.
	lockFree = `
		SELECT id, claim FROM {messages} FORCE INDEX (PRIMARY) WHERE id IN %s ORDER BY id FOR UPDATE SKIP LOCKED`
	renewClaims = `
		UPDATE {messages} FORCE INDEX (PRIMARY) SET due = {now} + ? WHERE id IN %s`
	selectHeld = `
		SELECT id, claim FROM {messages} FORCE INDEX (PRIMARY) WHERE id IN %s`
	selectExpired = `
		SELECT id, uuid, payload, metadata, history, attempt, redrives, claim, claimed_at
		FROM {messages} FORCE INDEX (waiting) WHERE topic = ? AND held = 1 AND due <= {now}
		ORDER BY due LIMIT ? FOR UPDATE SKIP LOCKED`
)

// returnClaims has messages wait again: rows that exist and are locked are inserted anew. Empty metadata stay as they are,
// and so does the history then.
var returnClaims = rows{
	columns: []string{"id", "due", "attempt", "metadata", "history"},
	into:    `INSERT INTO {messages} (id, due, attempt, metadata, history, topic, uuid, payload) VALUES `,
	each:    `(?, {now} + ?, ?, ?, ?, '', '', '')`,
	end: ` ON DUPLICATE KEY UPDATE held = 0, claim = 0, due = VALUES(due), attempt = VALUES(attempt),
		history = IF(VALUES(metadata) = '', history, VALUES(history)),
		metadata = IF(VALUES(metadata) = '', metadata, VALUES(metadata))`,
}

// Claim implements sqlstore.Dialect.
func (d *dialect) Claim(ctx context.Context, p queue.ClaimParams) ([]queue.Claimed, time.Duration, error) {
	var claimed []queue.Claimed
	var metadata []string
	var next time.Duration
	err := d.db.Write(ctx, func(t sqlstore.Tx) (err error) {
		started := time.Now()
		claimed, metadata = make([]queue.Claimed, 0, p.Limit), make([]string, 0, p.Limit)
		if _, err = d.settings(t); err != nil {
			return err
		}
		err = t.Query(func(row sqlstore.Scanner) error {
			var now int64
			c, text, err := sqlstore.ScanClaimed(row, &now)
			c.Owner, c.ClaimedAt = p.Owner, sqlstore.FromMicros(now)
			claimed, metadata = append(claimed, c), append(metadata, text)
			return err
		}, selectDue, p.Topic, p.Limit)
		if err == nil && len(claimed) > 0 {
			err = hold(t, claimed, p.Lease)
		}
		if err == nil && len(claimed) < p.Limit {
			next, err = nextDue(t, p.Topic, time.Since(started))
		}
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	for i := range claimed { // nobody waits for this, as for the transaction
		claimed[i].Metadata, claimed[i].Damage = sqlstore.DecodeMetadata(metadata[i])
	}
	return claimed, next, nil
}

// hold marks messages as claimed.
func hold(t sqlstore.Tx, claimed []queue.Claimed, lease time.Duration) error {
	now := claimed[0].ClaimedAt
	ids := make([]any, len(claimed))
	for i := range claimed {
		ids[i] = claimed[i].ID
	}
	return exec(t, claimDue, ids, claimed[0].Owner, sqlstore.Micros(now), sqlstore.Micros(now.Add(lease)))
}

// lookAgain is after how long a message is looked for again that is due, but was locked. Who locks it is about to claim
// it, or is looking for messages of another topic: on the way the server locks the row that comes next, too.
const lookAgain = 10 * time.Millisecond

// nextDue is how long it takes until there is something to claim: until the next message is due, or lookAgain where one was
// due already when a look began, so long ago, that did not get it. It is negative when none waits.
func nextDue(t sqlstore.Tx, topic string, ago time.Duration) (time.Duration, error) {
	waits, err := sqlstore.Ints(t, selectNextDue, topic)
	if err != nil || len(waits) == 0 {
		return -1, err
	}
	wait := time.Duration(waits[0]) * time.Microsecond
	if wait < -ago {
		return lookAgain, nil
	}
	return max(0, wait), nil
}

// Settle implements sqlstore.Dialect.
func (d *dialect) Settle(t sqlstore.Tx, settlements []queue.Settlement) (held []bool, err error) {
	attempts, err := lock(t, settlements)
	if err != nil {
		return nil, err
	}
	held = make([]bool, len(settlements))
	var done, back []any
	for i, s := range settlements {
		attempt, ok := attempts[queue.Held{ID: s.ID, Owner: s.Owner}]
		if held[i] = ok; !ok {
			continue
		}
		if s.Outcome == queue.Done {
			done = append(done, s.ID)
			continue
		}
		row, err := returned(s, attempt)
		if err != nil {
			return nil, err
		}
		back = append(back, row...)
	}
	if err := remove(t, done); err != nil {
		return nil, err
	}
	_, err = d.exec(t, returnClaims, back)
	return held, err
}

// remove deletes messages that are there.
func remove(t sqlstore.Tx, ids []any) error {
	if len(ids) == 0 {
		return nil
	}
	_, ids = sqlstore.List(ids)
	_, err := t.Exec(deleteOf(len(ids)), ids...)
	return err
}

// deleteOf is the statement that deletes so many messages.
func deleteOf(n int) string {
	return fmt.Sprintf(deleteMessages, goneID+strings.Repeat(" UNION ALL "+goneID, n-1))
}

// lock locks the messages of settlements, and returns which claims stand on them, with the attempts that they counted.
func lock(t sqlstore.Tx, settlements []queue.Settlement) (map[queue.Held]int64, error) {
	ids := make([]any, len(settlements))
	for i, s := range settlements {
		ids[i] = s.ID
	}
	attempts := make(map[queue.Held]int64, len(settlements))
	if len(ids) == 0 {
		return attempts, nil
	}
	err := query(t, lockClaims, ids, func(row sqlstore.Scanner) error {
		var key queue.Held
		var attempt int64
		err := row.Scan(&key.ID, &key.Owner, &attempt)
		attempts[key] = attempt
		return err
	})
	return attempts, err
}

// returned is the row of a message that waits again.
func returned(s queue.Settlement, attempt int64) ([]any, error) {
	if s.Outcome == queue.Unused {
		return []any{s.ID, 0, attempt - 1, "", ""}, nil
	}
	if s.Metadata == nil {
		return []any{s.ID, s.After.Microseconds(), attempt, "", ""}, nil
	}
	metadata, err := sqlstore.EncodeMetadata(s.Metadata)
	return []any{s.ID, s.After.Microseconds(), attempt, metadata, s.History}, err
}

// Renew implements sqlstore.Dialect.
func (d *dialect) Renew(t sqlstore.Tx, claims []queue.Held, lease time.Duration) (kept []queue.Held, err error) {
	if len(claims) == 0 {
		return nil, nil
	}
	free, err := standing(t, lockFree, claims)
	if err == nil && len(free) > 0 {
		err = exec(t, renewClaims, idsOf(free), lease.Microseconds())
	}
	if err != nil || len(free) == len(claims) {
		return free, err
	}
	return standing(t, selectHeld, claims)
}

// standing returns those claims that a statement finds as they are asked for.
func standing(t sqlstore.Tx, statement string, claims []queue.Held) ([]queue.Held, error) {
	var found []queue.Held
	if err := query(t, statement, idsOf(claims), sqlstore.ScanHeld(&found)); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(found, func(c queue.Held) bool { return !slices.Contains(claims, c) }), nil
}

// idsOf returns the messages of claims.
func idsOf(claims []queue.Held) []any {
	ids := make([]any, len(claims))
	for i, c := range claims {
		ids[i] = c.ID
	}
	return ids
}

// Expired implements sqlstore.Dialect.
func (d *dialect) Expired(t sqlstore.Tx, topic string, limit int, scan func(sqlstore.Scanner) error) error {
	return t.Query(scan, selectExpired, topic, limit)
}

// countLimit is up to where a backlog is counted. Above it, the server's estimate is good enough.
const countLimit = 50_000

// backlogs are the parts of a backlog, in the order of asyncevents.Backlog.
var backlogs = [...]string{
	`SELECT 1 FROM {messages} FORCE INDEX (waiting) WHERE topic = ? AND held = 0 AND due <= {now}`,
	`SELECT 1 FROM {messages} FORCE INDEX (waiting) WHERE topic = ? AND held = 0 AND due > {now}`,
	`SELECT 1 FROM {messages} FORCE INDEX (waiting) WHERE topic = ? AND held = 1`,
}

// countBacklogs counts all of them at one moment, each up to a limit: what goes from one to another in between must not be
// missing from all.
var countBacklogs = "SELECT (SELECT count(*) FROM (" +
	strings.Join(backlogs[:], " LIMIT ?) c), (SELECT count(*) FROM (") + " LIMIT ?) c)"

// Backlog implements sqlstore.Dialect.
func (d *dialect) Backlog(t sqlstore.Tx, topic string) (b asyncevents.Backlog, err error) {
	counts := [...]*int64{&b.Ready, &b.Delayed, &b.InFlight}
	const limit = countLimit + 1
	err = sqlstore.One(t, []any{counts[0], counts[1], counts[2]}, countBacklogs, topic, limit, topic, limit, topic, limit)
	for i, count := range counts {
		if err == nil && *count == limit {
			b.Estimated = true
			*count, err = estimate(t, backlogs[i], topic)
		}
	}
	return b, err
}

// exec runs a statement on the rows of a list of keys, which stands for its %s after the other args.
func exec(t sqlstore.Tx, statement string, keys []any, args ...any) error {
	list, keys := sqlstore.List(keys)
	_, err := t.Exec(fmt.Sprintf(statement, list), append(args, keys...)...)
	return err
}

// query is exec for a statement that returns rows.
func query(t sqlstore.Tx, statement string, keys []any, scan func(sqlstore.Scanner) error, args ...any) error {
	list, keys := sqlstore.List(keys)
	return t.Query(scan, fmt.Sprintf(statement, list), append(args, keys...)...)
}

// places is a list of as many parameters.
func places(n int) string { return "(?" + strings.Repeat(", ?", n-1) + ")" }
