package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/redrive-go/redrive/dlq"
)

const selectGroupCount = `SELECT entries FROM {error_groups} WHERE dlq = ? AND signature = ?`

// Count implements dlq.Store.
func (s *DeadLetters) Count(ctx context.Context, p dlq.CountParams) (count, newest int64, err error) {
	err = s.db.View(ctx, func(t Tx) error {
		d, err := look(t, p.Queue)
		if err != nil || d.entries == 0 {
			return err
		}
		if err := One(t, []any{&newest}, selectNewest, fullID(d.id, 0), fullID(d.id, dlqSpan-1)); err != nil {
			return err
		}
		newest &= dlqSpan - 1
		count, err = d.countOf(t, &p, newest)
		return err
	})
	return count, newest, s.failure("count in", p.Queue, err)
}

// countOf is how many entries are meant, of a DLQ that has some.
func (d seen) countOf(t Tx, p *dlq.CountParams, newest int64) (count int64, err error) {
	kept := *p
	kept.Signature = ""
	if kept.UpTo >= newest {
		kept.UpTo = 0
	}
	signature, valid := parseSignature(p.Signature)
	switch {
	case !kept.IsZero():
		return d.countThrough(t, p)
	case p.Signature == "":
		return d.entries, nil
	case !valid:
		return 0, nil
	}
	if err = One(t, []any{&count}, selectGroupCount, d.id, signature); errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return count, err
}

// countThrough counts what an index has.
func (d seen) countThrough(t Tx, p *dlq.CountParams) (count int64, err error) {
	within, err := d.spanOf(t, &p.ListParams)
	if err != nil {
		return 0, err
	}
	query, args := countQuery(p, d.id, within)
	if query == "" {
		return 0, nil
	}
	return count, One(t, []any{&count}, query, args...)
}

// countQuery is the statement that counts within a span; none where no entry can be meant. Which entries were moved by a job, or how
// often, is told by the index of causes, which is read as a whole where nothing narrows it down.
func countQuery(p *dlq.CountParams, dlq int64, within span) (query string, args []any) {
	l, ok := newLookup(&p.ListParams, dlq, within)
	if !ok {
		return "", nil
	}
	moved := p.Job != "" || p.MinRedrives != nil || p.MaxRedrives != nil
	if moved && l.from == `{dead_letters}` {
		l.from += ` {by moves}`
	}
	if p.Job != "" {
		l.and(`job = ?`, p.Job)
	}
	if p.MinRedrives != nil {
		l.and(`redrives >= ?`, *p.MinRedrives)
	}
	if p.MaxRedrives != nil {
		l.and(`redrives <= ?`, *p.MaxRedrives)
	}
	if p.Limit > 0 {
		query = `SELECT count(*) FROM (SELECT id FROM ` + l.from + ` WHERE ` + l.where + ` LIMIT ?) AS counted`
		return query, append(l.args, p.Limit)
	}
	return `SELECT count(*) FROM ` + l.from + ` WHERE ` + l.where, l.args
}
