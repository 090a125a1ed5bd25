package sqlstore

import (
	"context"
	"slices"

	"github.com/redrive-go/redrive/dlq"
)

const (
	selectOldest  = `SELECT id, topic FROM {dead_letters} WHERE id > ? AND id <= ? ORDER BY id LIMIT ?`
	deleteEntries = `DELETE FROM {dead_letters} WHERE id >= ? AND id <= ?`
	creditJob     = `UPDATE {retry_jobs} SET moved = moved + ?, batch_moved = batch_moved + ? WHERE queue = ? AND id = ?` //nolint:gosec // no credentials
)

// Redrive implements dlq.Store.
func (s *DeadLetters) Redrive(ctx context.Context, p dlq.RedriveParams) (redriven dlq.Redriven, err error) {
	var spans []Span
	var d held
	err = s.db.Write(ctx, func(t Tx) (err error) {
		if d, err = s.holdSpreading(t, p.Queue); err == nil {
			redriven, spans, err = s.redrive(t, d, p)
		}
		return err
	})
	if err != nil {
		return dlq.Redriven{}, s.failure("redrive", p.Queue, err)
	}
	if p.IDs == nil {
		s.floors.raise(d.id, lastOf(spans))
	}
	for _, sp := range spans {
		s.queue.RingTopic(sp.Topic)
	}
	return redriven, nil
}

// holdSpreading locks the row of a DLQ that many entries may leave, chunk by chunk: the server gets much to write.
func (s *DeadLetters) holdSpreading(t Tx, name string) (held, error) {
	if s.spreading != nil {
		if err := s.spreading.Spread(t); err != nil {
			return held{}, err
		}
	}
	return hold(t, name)
}

// redrive moves entries back to where they came from, within the database: their payloads are not read.
func (s *DeadLetters) redrive(
	t Tx, d held, p dlq.RedriveParams,
) (redriven dlq.Redriven, spans []Span, err error) {
	if spans, err = s.spans(t, d, p); err != nil || len(spans) == 0 {
		return redriven, nil, err
	}
	for _, sp := range spans {
		if p.Full {
			if redriven.Entries, err = appendEntries(t, redriven.Entries, p.Queue, sp); err != nil {
				return redriven, nil, err
			}
		}
		leaving, err := causesOf(t, countCausesOf, sp.First, sp.Last, sp.Topic)
		if err == nil {
			err = leaving.leave(t, d)
		}
		if err != nil {
			return redriven, nil, err
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

// lastOf is the last id of spans.
func lastOf(spans []Span) (last int64) {
	for _, sp := range spans {
		last = max(last, sp.Last)
	}
	return last
}

// oldest reads ids and topics of the oldest entries.
func (s *DeadLetters) oldest(t Tx, d held, upTo int64, limit int, scan func(Scanner) error) error {
	found := false
	look := func(after int64) error {
		return t.Query(func(row Scanner) error {
			found = true
			return scan(row)
		}, selectOldest, after, fullID(d.id, upTo), limit)
	}
	floor := s.floors.above(d.id)
	if err := look(floor); err != nil || found || floor == fullID(d.id, 0) {
		return err
	}
	return look(fullID(d.id, 0)) // the database may have been put back to how it was
}

// spans returns what to move: the oldest entries as one span a topic, or the named ones, those together that follow each other.
func (s *DeadLetters) spans(t Tx, d held, p dlq.RedriveParams) (spans []Span, err error) {
	if p.IDs != nil {
		return namedSpans(t, d, p.IDs)
	}
	err = s.oldest(t, d, p.UpTo, p.Limit, func(row Scanner) error {
		var id int64
		var topic string
		if err := row.Scan(&id, &topic); err != nil {
			return err
		}
		at := slices.IndexFunc(spans, func(sp Span) bool { return sp.Topic == topic })
		if at < 0 {
			spans = append(spans, Span{topic, id, id})
			return nil
		}
		spans[at].Last = id
		return nil
	})
	return spans, err
}

// namedSpans returns the named entries that are there.
func namedSpans(t Tx, d held, ids []int64) (spans []Span, err error) {
	for _, run := range runsOf(d, ids) {
		err = t.Query(func(row Scanner) error {
			var id int64
			var topic string
			err := row.Scan(&id, &topic)
			if last := len(spans) - 1; last >= 0 && spans[last].Topic == topic && spans[last].Last == id-1 {
				spans[last].Last = id
			} else {
				spans = append(spans, Span{topic, id, id})
			}
			return err
		}, selectOldest, run.after, run.upTo, everything)
		if err != nil {
			return nil, err
		}
	}
	return spans, nil
}

// runsOf returns the spans of ids that follow each other.
func runsOf(d held, ids []int64) (runs []span) {
	for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		if id <= 0 || id >= dlqSpan {
			continue
		}
		full := fullID(d.id, id)
		if last := len(runs) - 1; last >= 0 && runs[last].upTo == full-1 {
			runs[last].upTo = full
		} else {
			runs = append(runs, span{full - 1, full})
		}
	}
	return runs
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
	var d held
	var last int64
	err = s.db.Write(ctx, func(t Tx) (err error) {
		if d, err = s.holdSpreading(t, p.Queue); err == nil {
			erased, last, err = s.erase(t, d, p)
		}
		return err
	})
	if err != nil {
		return 0, s.failure("erase from", p.Queue, err)
	}
	if p.IDs == nil {
		s.floors.raise(d.id, last)
	}
	return erased, nil
}

func (s *DeadLetters) erase(t Tx, d held, p dlq.EraseParams) (erased, last int64, err error) {
	runs := runsOf(d, p.IDs)
	if p.IDs == nil {
		runs, err = s.oldestRun(t, d, p)
	}
	for _, run := range runs {
		if err != nil {
			break
		}
		var removed int64
		removed, err = eraseRun(t, d, run)
		erased, last = erased+removed, run.upTo
	}
	if err != nil || erased == 0 {
		return 0, 0, err
	}
	return erased, last, d.count(t, 0, -erased)
}

// oldestRun is the span of the oldest entries.
func (s *DeadLetters) oldestRun(t Tx, d held, p dlq.EraseParams) (runs []span, err error) {
	err = s.oldest(t, d, p.UpTo, p.Limit, func(row Scanner) error {
		var id int64
		var topic string
		err := row.Scan(&id, &topic)
		if runs == nil {
			runs = []span{{after: id - 1}}
		}
		runs[0].upTo = id
		return err
	})
	return runs, err
}

func eraseRun(t Tx, d held, run span) (int64, error) {
	leaving, err := causesOf(t, countCauses, run.after+1, run.upTo)
	if err == nil {
		err = leaving.leave(t, d)
	}
	if err != nil {
		return 0, err
	}
	return t.Exec(deleteEntries, run.after+1, run.upTo)
}
