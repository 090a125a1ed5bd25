package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/redrive-go/redrive/backends/internal/queue"
	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

// claimMessages takes messages that are due again, up to half of what is asked for, and for the rest new ones, so that neither
// waits for the other to run dry. Rows are found and changed by their place in the table: they are locked in between. On
// the way it drops claims that have ended. The last row of the result has no message, but the time until the next one is due.
//
// The new messages are found by the index of topics and ids and by no other: only that has their order.
const claimMessages = `
	WITH later AS (
		SELECT ctid, id FROM {messages} WHERE topic = (SELECT ?::text) AND delayed AND claim = 0
			AND due >= (SELECT ?::bigint) AND due <= {now}
		ORDER BY due LIMIT (SELECT ?::bigint) FOR UPDATE SKIP LOCKED
	), fresh AS (
		SELECT ctid, id FROM {messages} WHERE (topic, id) > ((SELECT ?::text), (SELECT ?::bigint))
			AND topic <= (SELECT ?::text) AND NOT delayed AND claim = 0
		ORDER BY topic, id LIMIT (SELECT ?::bigint - count(*) FROM later) FOR UPDATE SKIP LOCKED
	), taken AS (
		UPDATE {messages} SET claim = ?, attempt = attempt + 1, claimed_at = {now}
		WHERE ctid = ANY (ARRAY (SELECT ctid FROM later UNION ALL SELECT ctid FROM fresh))
		RETURNING id, uuid, payload, metadata, history, attempt, redrives, claimed_at, CASE WHEN delayed THEN due ELSE 0 END
	), held AS (
		INSERT INTO {claims} (claim, topic, until, ids)
		SELECT ?::bigint, ?::text, {now} + ?::bigint, array_agg(id) FROM taken HAVING count(*) > 0
	), dropped AS (
		DELETE FROM {claims} WHERE claim = ANY (?::bigint[])
	)
	SELECT * FROM taken
	UNION ALL
	SELECT 0, '', '', '', '', 0, 0, CASE WHEN (SELECT count(*) FROM later) = ? THEN 0 ELSE coalesce((
		SELECT due - {now} FROM {messages} WHERE topic = (SELECT ?::text) AND delayed AND due > {now}
		ORDER BY due LIMIT 1), -1) END, 0`

// claiming is one call of Claim.
type claiming struct {
	queue.ClaimParams
	conn    *pgx.Conn
	claimed []queue.Claimed
	next    time.Duration
	last    positions
}

// positions are places in the two indexes of what waits: an id among the new messages, a time among those that are due again.
type positions struct{ fresh, later int64 }

// Claim implements sqlstore.Dialect.
func (d *dialect) Claim(ctx context.Context, p queue.ClaimParams) ([]queue.Claimed, time.Duration, error) {
	if err := d.db.Usable(ctx); err != nil {
		return nil, 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, sqlstore.WriteTimeout)
	defer cancel()
	conn, release, err := d.from.connection(ctx) // first: looks are timed
	if err != nil {
		return nil, 0, err
	}
	defer release()
	c := &claiming{ClaimParams: p, conn: conn, claimed: make([]queue.Claimed, 0, p.Limit)}
	if err := d.lookAround(ctx, c); err != nil {
		if len(c.claimed) == 0 && !errors.Is(err, sqlstore.ErrConflict) {
			return nil, 0, err
		}
		// Somebody else was quicker, or what was taken before should be handed out all the same. The last look may have been
		// committed, and nobody knows of what it took: the claim must stand until its lease has run out.
		return c.claimed, 0, nil
	}
	d.claims.add(p.Owner, c.claimed)
	return c.claimed, c.next, nil
}

// lookAround looks from where it is promising, and from further back if that does not bring enough.
func (d *dialect) lookAround(ctx context.Context, c *claiming) error {
	t := d.trail(c.Topic)
	for {
		began := time.Now()
		fresh, later := t.fresh.begin(began), t.later.begin(began)
		ended, giveBack := d.claims.take()
		if err := c.look(ctx, d, positions{fresh.from, later.from}, ended); err != nil {
			giveBack()
			t.fresh.fail(fresh, time.Now())
			t.later.fail(later, time.Now())
			return err
		}
		enough, now := len(c.claimed) == c.Limit, time.Now()
		t.fresh.end(fresh, c.last.fresh, enough, now)
		t.later.end(later, c.last.later, enough, now)
		if enough || fresh.depth != atNew && later.depth != atNew {
			return nil
		}
	}
}

// look claims what is still wanted behind from. Where that is an odd number, chance decides which kind of
// messages gets the larger half; where it is one, the other kind gets it if there is none of the first.
func (c *claiming) look(ctx context.Context, d *dialect, from positions, ended []int64) error {
	limit := c.Limit - len(c.claimed)
	half := (limit + int(c.Owner&1)) / 2
	before := len(c.claimed)
	err := c.lookFor(ctx, d, from, limit, half, ended)
	if err == nil && half == 0 && len(c.claimed) == before {
		err = c.lookFor(ctx, d, from, limit, limit, []int64{})
	}
	return err
}

// lookFor claims up to limit messages, of which at most again are due again.
func (c *claiming) lookFor(ctx context.Context, d *dialect, from positions, limit, again int, ended []int64) error {
	before := len(c.claimed)
	full := again // so many that there may be more
	if again == 0 {
		full = -1
	}
	err := inOrder(ctx, c.conn, c.scan, d.words.Of(claimMessages), c.Topic, from.later, again, c.Topic, from.fresh, c.Topic, limit,
		c.Owner, c.Owner, c.Topic, c.Lease.Microseconds(), ended, full, c.Topic)
	if err != nil {
		c.claimed = c.claimed[:before] // what was read is not sure to be committed
	}
	return err
}

func (c *claiming) scan(row sqlstore.Scanner) error {
	var at, due int64
	m, metadata, err := sqlstore.ScanClaimed(row, &at, &due)
	if err != nil {
		return err
	}
	if m.ID == 0 {
		c.next = time.Duration(at) * time.Microsecond
		return nil
	}
	if due == 0 {
		c.last.fresh = max(c.last.fresh, m.ID)
	}
	c.last.later = max(c.last.later, due)
	m.Owner, m.ClaimedAt = c.Owner, sqlstore.FromMicros(at)
	m.Metadata, m.Damage = sqlstore.DecodeMetadata(metadata)
	c.claimed = append(c.claimed, m)
	return nil
}
