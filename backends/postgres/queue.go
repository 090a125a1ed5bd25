package postgres

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/queue"
	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

const (
	endClaims = `
		DELETE FROM {messages} m USING unnest(?::bigint[], ?::bigint[]) AS c (id, claim)
		WHERE m.id = c.id AND m.claim = c.claim RETURNING m.id, m.claim`
	// Rows are locked in the order of their ids, so that two of these never wait for each other. Messages that nobody has
	// seen go back to where they were, or are due now. Empty metadata stay as they are, and so does the history then.
	returnMessages = `
		WITH mine AS (
			SELECT m.id, m.claim, c.wait, c.unused, c.metadata, c.history
			FROM {messages} m JOIN unnest(?::bigint[], ?::bigint[], ?::bigint[], ?::bigint[], ?::text[], ?::text[])
				AS c (id, claim, wait, unused, metadata, history) ON m.id = c.id AND m.claim = c.claim
			ORDER BY m.id FOR UPDATE OF m
		)
		UPDATE {messages} m SET claim = 0, attempt = m.attempt - mine.unused,
			delayed = m.delayed OR mine.unused = 0,
			due = CASE WHEN mine.unused = 0 THEN {now} + mine.wait WHEN m.delayed THEN {now} ELSE m.due END,
			metadata = CASE mine.metadata WHEN '' THEN m.metadata ELSE mine.metadata END,
			history = CASE mine.metadata WHEN '' THEN m.history ELSE mine.history END
		FROM mine WHERE m.id = mine.id RETURNING mine.id, mine.claim`
	// An expired claim is dropped once none of its messages bears its name. Returned is when the first lease ends of those that
	// stood, or the present time.
	dropExpired = `
		WITH dropped AS (
			DELETE FROM {claims} c WHERE c.topic = ? AND c.until >= ? AND c.until <= {now} AND NOT EXISTS (
				SELECT 1 FROM {messages} m WHERE m.id = ANY (c.ids) AND m.claim = c.claim)
		)
		SELECT least({now}, (SELECT until FROM {claims} WHERE topic = ? AND until >= ? ORDER BY until LIMIT 1))`
	// The messages of a claim that are renewed go on under a row of their own, made from themselves, the rest keep their time.
	renewClaims = `
		WITH mine AS (
			SELECT m.id, m.topic, m.claim FROM unnest(?::bigint[], ?::bigint[]) AS c (id, claim)
			JOIN {messages} m ON m.id = c.id AND m.claim = c.claim
		), before AS (
			DELETE FROM {claims} WHERE claim = ANY (ARRAY (SELECT claim FROM mine)) RETURNING claim, topic, until, ids
		), rest AS (
			INSERT INTO {claims} (claim, topic, until, ids)
			SELECT claim, topic, until, left_over FROM (
				SELECT claim, topic, until, ARRAY (SELECT unnest(ids) EXCEPT SELECT id FROM mine) AS left_over
				FROM before) r
			WHERE cardinality(left_over) > 0
		), renewed AS (
			INSERT INTO {claims} (claim, topic, until, ids)
			SELECT claim, min(topic), {now} + ?::bigint, array_agg(id) FROM mine GROUP BY claim
		)
		SELECT id, claim FROM mine`
	// Rows that are locked are being settled, maybe by a transaction of the host's that is open yet: nobody waits for that.
	selectExpired = `
		SELECT m.id, m.uuid, m.payload, m.metadata, m.history, m.attempt, m.redrives, m.claim, m.claimed_at
		FROM {claims} c JOIN {messages} m ON m.id = ANY (c.ids) AND m.claim = c.claim
		WHERE c.topic = ? AND c.until >= ? AND c.until <= {now} ORDER BY c.until LIMIT ? FOR UPDATE OF m SKIP LOCKED`
)

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
	if h, ok := t.(sqlstore.Hooked); ok {
		h.OnCommit(func() {
			d.claims.settled(settlements)
			for _, s := range back {
				if s.Outcome == queue.Unused {
					d.recall(s.ID)
				}
			}
		})
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
	slices.SortFunc(done, func(a, b queue.Settlement) int { return cmp.Compare(a.ID, b.ID) })
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
	return settled(t, back, returnMessages, ids, claims, waits, unused, metadata, histories)
}

// settled runs a statement that returns the claims that stood: as good as always all.
func settled(
	t sqlstore.Tx, settlements []queue.Settlement, statement string, args ...any,
) (held func(queue.Settlement) bool, err error) {
	if len(settlements) == 0 {
		return nil, nil
	}
	var stood []queue.Held
	if err := t.Query(sqlstore.ScanHeld(&stood), statement, args...); err != nil {
		return nil, err
	}
	if len(stood) == len(settlements) {
		return func(queue.Settlement) bool { return true }, nil
	}
	return func(s queue.Settlement) bool { return slices.Contains(stood, queue.Held{ID: s.ID, Owner: s.Owner}) }, nil
}

// Renew implements sqlstore.Dialect.
func (d *dialect) Renew(t sqlstore.Tx, claims []queue.Held, lease time.Duration) (kept []queue.Held, err error) {
	ids, owners := make([]int64, len(claims)), make([]int64, len(claims))
	for i, c := range claims {
		ids[i], owners[i] = c.ID, c.Owner
	}
	err = t.Query(sqlstore.ScanHeld(&kept), renewClaims, ids, owners, lease.Microseconds())
	return kept, err
}

// Expired implements sqlstore.Dialect.
func (d *dialect) Expired(t sqlstore.Tx, topic string, limit int, scan func(sqlstore.Scanner) error) error {
	held := d.trail(topic).held
	l := held.begin(time.Now())
	var first int64
	err := sqlstore.One(t, []any{&first}, dropExpired, topic, l.from, topic, l.from)
	if err == nil {
		err = t.Query(scan, selectExpired, topic, l.from, limit)
	}
	if err != nil {
		held.fail(l, time.Now())
		return err
	}
	held.end(l, first, false, time.Now())
	return nil
}

// countLimit is up to where a backlog is counted. Above it, the planner's estimate is good enough.
const countLimit = 50_000

// backlogs are what a backlog is made of. The first and the third are with those in flight, which are the last.
var backlogs = [...]string{
	`SELECT 1 FROM {messages} WHERE topic = ? AND NOT delayed`,
	`SELECT 1 FROM {messages} WHERE topic = ? AND delayed AND due > {now}`,
	`SELECT 1 FROM {messages} WHERE topic = ? AND delayed AND due <= {now}`,
	`SELECT 1 FROM {claims} c JOIN {messages} m ON m.id = ANY (c.ids) AND m.claim = c.claim WHERE c.topic = ?`,
}

// countBacklogs counts all of them at one moment, each up to a limit.
var countBacklogs = "SELECT (SELECT count(*) FROM (" + strings.Join(backlogs[:], " LIMIT ?) c), (SELECT count(*) FROM (") + " LIMIT ?) c)"

// Backlog implements sqlstore.Dialect.
func (d *dialect) Backlog(t sqlstore.Tx, topic string) (b asyncevents.Backlog, err error) {
	var fresh, again int64
	counts := [...]*int64{&fresh, &b.Delayed, &again, &b.InFlight}
	const limit = countLimit + 1
	err = sqlstore.One(t, []any{counts[0], counts[1], counts[2], counts[3]}, countBacklogs,
		topic, limit, topic, limit, topic, limit, topic, limit)
	for i, count := range counts {
		if err == nil && *count == limit {
			b.Estimated = true
			*count, err = estimate(t, backlogs[i], topic)
		}
	}
	b.Ready = max(0, fresh+again-b.InFlight)
	return b, err
}
