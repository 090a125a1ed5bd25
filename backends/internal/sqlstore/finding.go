package sqlstore

import (
	"database/sql"
	"errors"
	"time"

	"github.com/redrive-go/redrive/dlq"
)

const (
	// briefColumns are those that a brief list has, wholeColumns the others of an entry. No bytes of a column are read for those
	// before it.
	briefColumns = `id, redrives, created_at, accepted_at, job, topic, message_id, correlation_id, error_type, error_message`
	wholeColumns = briefColumns + `, error_stack, metadata, history, payload`

	selectNext = `SELECT id, created_at FROM {dead_letters} WHERE id > ? AND id <= ? ORDER BY id LIMIT 1`
)

// span is the full ids above after and up to upTo.
type span struct{ after, upTo int64 }

// lookup is the end of a statement that looks up dead letters: from where, under which conditions, and in the order of their ids, of
// which the statement may have no use.
type lookup struct {
	from, where, order string
	args               []any
}

// newLookup returns the lookup of what is asked for within a span; false where no entry can be meant.
func newLookup(p *dlq.ListParams, dlq int64, s span) (l lookup, ok bool) {
	signature, valid := parseSignature(p.Signature)
	if p.Signature != "" && !valid {
		return l, false
	}
	within := []any{s.after, s.upTo}
	switch {
	case len(p.IDs) > 0:
		list, ids := List(fullIDs(dlq, p.IDs))
		l = lookup{`{dead_letters} {by key}`, `id IN ` + list + ` AND id > ? AND id <= ?`, `id`, append(ids, within...)}
		if p.CorrelationID != "" {
			l.and(`correlation_id = ?`, p.CorrelationID)
		}
	case p.CorrelationID != "":
		l = lookup{`{dead_letters} {by event}`, `{of event}`, `correlation_id, id`, []any{p.CorrelationID, s.after, p.CorrelationID, s.upTo}}
	case p.Signature != "":
		return lookup{`{dead_letters} {by cause}`, `{of cause}`, `signature, id`, []any{signature, s.after, signature, s.upTo}}, true
	default:
		l = lookup{`{dead_letters}`, `id > ? AND id <= ?`, `id`, within}
	}
	if p.Signature != "" {
		l.and(`signature = ?`, signature)
	}
	return l, true
}

// and adds a condition.
func (l *lookup) and(condition string, args ...any) {
	l.where += ` AND ` + condition
	l.args = append(l.args, args...)
}

// fullIDs are the full ids of named entries, as parameters.
func fullIDs(dlq int64, ids []int64) []any {
	full := make([]any, len(ids))
	for i, id := range ids {
		full[i] = fullID(dlq, id)
	}
	return full
}

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
	l, ok := newLookup(&p, d.id, within)
	if !ok {
		return nil
	}
	columns, scan := wholeColumns, d.scanEntry
	if p.Brief {
		columns, scan = briefColumns, d.scanBrief
	}
	query := `SELECT ` + columns + ` FROM ` + l.from + ` WHERE ` + l.where + ` ORDER BY ` + l.order + ` LIMIT ?`
	return t.Query(func(row Scanner) error {
		e, err := scan(row, p.Queue)
		if err != nil {
			return err
		}
		return use(e)
	}, query, append(l.args, p.Limit)...)
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
