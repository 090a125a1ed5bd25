package sqlstore

import (
	"context"
	"slices"

	"github.com/redrive-go/redrive/dlq"
)

const (
	selectOldest  = `SELECT id, topic FROM {dead_letters} WHERE id > ? AND id <= ? ORDER BY id LIMIT ?`
	selectTopic   = `SELECT id, topic FROM {dead_letters} WHERE id = ?`
	deleteEntries = `DELETE FROM {dead_letters} WHERE id >= ? AND id <= ?`
	creditJob     = `UPDATE {retry_jobs} SET moved = moved + ?, batch_moved = batch_moved + ? WHERE queue = ? AND id = ?` //nolint:gosec // no credentials
)

// Redrive implements dlq.Store.
func (s *DeadLetters) Redrive(ctx context.Context, p dlq.RedriveParams) (redriven dlq.Redriven, err error) {
	var spans []Span
	err = s.db.Write(ctx, func(t Tx) (err error) {
		redriven, spans, err = s.redrive(t, p)
		return err
	})
	if err != nil {
		return dlq.Redriven{}, s.failure("redrive", p.Queue, err)
	}
	for _, sp := range spans {
		s.queue.RingTopic(sp.Topic)
	}
	return redriven, nil
}

// redrive moves entries back to where they came from, within the database: their payloads are not read.
func (s *DeadLetters) redrive(t Tx, p dlq.RedriveParams) (redriven dlq.Redriven, spans []Span, err error) {
	d, err := hold(t, p.Queue)
	if err != nil {
		return redriven, nil, err
	}
	if spans, err = d.spans(t, p); err != nil || len(spans) == 0 {
		return redriven, nil, err
	}
	for _, sp := range spans {
		if p.Full {
			if redriven.Entries, err = appendEntries(t, redriven.Entries, p.Queue, sp); err != nil {
				return redriven, nil, err
			}
		}
		moved, err := s.dialect.MoveBack(t, p.Queue, sp)
		if err != nil {
			return redriven, nil, err
		}
		redriven.Moved += moved
	}
	if err := d.count(t, 0, -redriven.Moved); err != nil {
		return redriven, nil, err
	}
	if p.Job != "" {
		_, err = t.Exec(creditJob, redriven.Moved, redriven.Moved, p.Queue, p.Job)
	}
	return redriven, spans, err
}

// spans returns what to move: the oldest entries as one span a topic, or each named entry on its own.
func (d held) spans(t Tx, p dlq.RedriveParams) (spans []Span, err error) {
	add := func(row Scanner) error {
		var id int64
		var topic string
		if err := row.Scan(&id, &topic); err != nil {
			return err
		}
		at := slices.IndexFunc(spans, func(sp Span) bool { return sp.Topic == topic })
		if at < 0 || p.IDs != nil {
			spans = append(spans, Span{topic, id, id})
			return nil
		}
		spans[at].Last = id
		return nil
	}
	if p.IDs == nil {
		err = t.Query(add, selectOldest, fullID(d.id, 0), fullID(d.id, p.UpTo), p.Limit)
		return spans, err
	}
	ids := slices.Compact(slices.Sorted(slices.Values(p.IDs)))
	for _, id := range ids {
		if id <= 0 || id >= dlqSpan {
			continue
		}
		if err := t.Query(add, selectTopic, fullID(d.id, id)); err != nil {
			return nil, err
		}
	}
	return spans, nil
}

// appendEntries reads the entries of a span whole; only ever a few.
func appendEntries(t Tx, entries []dlq.Entry, name string, sp Span) ([]dlq.Entry, error) {
	p := dlq.ListParams{Queue: name, After: sp.First&(dlqSpan-1) - 1, UpTo: sp.Last & (dlqSpan - 1), Limit: everything}
	err := eachEntry(t, p, func(e dlq.Entry) error {
		if e.Topic == sp.Topic {
			entries = append(entries, e)
		}
		return nil
	})
	return entries, err
}

// Erase implements dlq.Store.
func (s *DeadLetters) Erase(ctx context.Context, p dlq.EraseParams) (erased int64, err error) {
	err = s.db.Write(ctx, func(t Tx) error {
		d, err := hold(t, p.Queue)
		if err != nil {
			return err
		}
		erased, err = d.erase(t, p)
		return err
	})
	if err != nil {
		return 0, s.failure("erase from", p.Queue, err)
	}
	return erased, nil
}

func (d held) erase(t Tx, p dlq.EraseParams) (erased int64, err error) {
	var first, last int64
	err = t.Query(func(row Scanner) error {
		var topic string
		if first == 0 {
			return row.Scan(&first, &topic)
		}
		return row.Scan(&last, &topic)
	}, selectOldest, fullID(d.id, 0), fullID(d.id, p.UpTo), p.Limit)
	if err != nil || first == 0 {
		return 0, err
	}
	if erased, err = t.Exec(deleteEntries, first, max(first, last)); err != nil {
		return 0, err
	}
	return erased, d.count(t, 0, -erased)
}
