package sqlstore

import (
	"database/sql"
	"errors"
	"time"

	"github.com/redrive-go/redrive/dlq"
)

const (
	entryColumns = `id, redrives, created_at, accepted_at, job, topic, message_id, correlation_id, error_type, error_message, error_stack,
		metadata, history, payload`
	selectEntries   = `SELECT ` + entryColumns + ` FROM {dead_letters} WHERE id > ? AND id <= ? ORDER BY id LIMIT ?`
	selectEntriesOf = `
		SELECT ` + entryColumns + ` FROM {dead_letters} {by event} WHERE {of event} ORDER BY correlation_id, id LIMIT ?`
	selectEntriesFor = `
		SELECT ` + entryColumns + ` FROM {dead_letters} {by cause} WHERE {of cause} ORDER BY signature, id LIMIT ?`
	selectEntriesOfFor = `
		SELECT ` + entryColumns + ` FROM {dead_letters} {by event} WHERE {of event} AND signature = ?
		ORDER BY correlation_id, id LIMIT ?`
	selectNext = `SELECT id, created_at FROM {dead_letters} WHERE id > ? AND id <= ? ORDER BY id LIMIT 1`
)

// span is the full ids above after and up to upTo.
type span struct{ after, upTo int64 }

// eachEntry reads entries as they come, one at a time.
func eachEntry(t Tx, p dlq.ListParams, use func(dlq.Entry) error) error {
	d, err := look(t, p.Queue)
	if err != nil || d.entries == 0 {
		return err
	}
	within, err := d.spanOf(t, &p)
	if err != nil {
		return err
	}
	left := p.Limit
	for _, s := range within.named(d.id, p.IDs) {
		query, args := entriesQuery(&p, s)
		if query == "" || left == 0 {
			return nil
		}
		err := t.Query(func(row Scanner) error {
			left--
			e, err := d.scanEntry(row, p.Queue)
			if err != nil {
				return err
			}
			return use(e)
		}, query, append(args, left)...)
		if err != nil {
			return err
		}
	}
	return nil
}

// named is the parts of the span that have those ids; all of it where none are named.
func (s span) named(dlq int64, ids []int64) (parts []span) {
	if len(ids) == 0 {
		return []span{s}
	}
	for _, run := range runsOf(dlq, ids) {
		if part := (span{max(s.after, run.after), min(s.upTo, run.upTo)}); part.after < part.upTo {
			parts = append(parts, part)
		}
	}
	return parts
}

// entriesQuery is the statement that looks up what is asked for, and its parameters but for the limit; none where no entry can be
// meant.
func entriesQuery(p *dlq.ListParams, s span) (query string, args []any) {
	signature, valid := parseSignature(p.Signature)
	switch {
	case p.Signature != "" && !valid:
		return "", nil
	case p.Signature != "" && p.CorrelationID != "":
		return selectEntriesOfFor, []any{p.CorrelationID, s.after, p.CorrelationID, s.upTo, signature}
	case p.Signature != "":
		return selectEntriesFor, []any{signature, s.after, signature, s.upTo}
	case p.CorrelationID != "":
		return selectEntriesOf, []any{p.CorrelationID, s.after, p.CorrelationID, s.upTo}
	}
	return selectEntries, []any{s.after, s.upTo}
}

// spanOf is the ids among which an entry must be. Times grow with the ids, so the bounds of the one are found among the other.
func (d seen) spanOf(t Tx, p *dlq.ListParams) (s span, err error) {
	after, upTo := p.After, dlqSpan-1
	if p.UpTo > 0 {
		upTo = p.UpTo
	}
	s = span{fullID(d.id, after), fullID(d.id, upTo)}
	if !p.From.IsZero() {
		if s.after, err = s.before(t, p.From); err != nil {
			return s, err
		}
	}
	if !p.To.IsZero() {
		s.upTo, err = s.before(t, p.To)
	}
	return s, err
}

// before is the largest id within the span of which it is certain that nothing up to it came in at that time or later, and
// everything above it did. It halves the span: some 50 looks at the index.
func (s span) before(t Tx, at time.Time) (int64, error) {
	low, high := s.after, s.upTo // nothing up to low came in so late; everything above high did
	for low < high {
		middle := low + (high-low)/2
		var id, created int64
		err := One(t, []any{&id, &created}, selectNext, middle, high)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			high = middle
		case err != nil:
			return 0, err
		case created >= Micros(at):
			high = middle
		default:
			low = id
		}
	}
	return low, nil
}
