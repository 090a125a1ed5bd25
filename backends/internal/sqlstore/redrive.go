package sqlstore

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

const (
	// The oldest entries, by topic and cause.
	groupOldest = `
		SELECT topic, signature, min(id), max(id), count(*)
		FROM (SELECT id, topic, signature FROM {dead_letters} WHERE id > ? AND id <= ? ORDER BY id LIMIT ?) oldest
		GROUP BY topic, signature`
	selectTopics = `SELECT id, topic FROM {dead_letters} WHERE id > ? AND id <= ? ORDER BY id LIMIT ?`
	creditJob    = `UPDATE {retry_jobs} SET moved = moved + ?, batch_moved = batch_moved + ? WHERE queue = ? AND id = ?` //nolint:gosec // no credentials
)

// Redrive implements dlq.Store.
func (s *DeadLetters) Redrive(ctx context.Context, p dlq.RedriveParams) (redriven dlq.Redriven, err error) {
	var spans []Span
	var d held
	err = s.db.Write(ctx, func(t Tx) (err error) {
		if p.Job != "" {
			if err := relax(s.dialect, t); err != nil {
				return err
			}
		}
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
	spans, leaving, err := s.spans(t, d, &p)
	if err != nil || len(spans) == 0 {
		return redriven, nil, err
	}
	if p.Edit != nil {
		if err := s.edit(t, d, &p); err != nil {
			return redriven, nil, err
		}
	}
	mark := markOf(&p, d.now)
	for _, sp := range spans {
		if p.Full {
			if redriven.Entries, err = appendEntries(t, redriven.Entries, p.Queue, sp); err != nil {
				return redriven, nil, err
			}
		}
		sp.Mark, sp.At = mark, d.now
		moved, err := s.dialect.MoveBack(t, p.Queue, sp)
		if err != nil {
			return redriven, nil, err
		}
		redriven.Moved += moved
	}
	if err := leaving.leave(t, d); err != nil {
		return redriven, nil, err
	}
	if err := d.count(t, 0, -redriven.Moved); err != nil {
		return redriven, nil, err
	}
	if p.Job != "" {
		_, err = t.Exec(creditJob, redriven.Moved, redriven.Moved, p.Queue, p.Job)
	}
	return redriven, spans, err
}

// markOf has messages carry when they are moved, the retry job that does it, and what it grants them. The id of a job is a UUID, so
// it needs no escaping.
func markOf(p *dlq.RedriveParams, at int64) string {
	members := []string{`"` + retry.MetadataRedrivenAt + `":"` + FromMicros(at).Format(time.RFC3339Nano) + `"`}
	if p.Job != "" {
		members = append(members, `"`+retry.MetadataJob+`":"`+p.Job+`"`)
	}
	if p.SingleAttempt {
		members = append(members, `"`+retry.MetadataSingleAttempt+`":"true"`)
	}
	return "{" + strings.Join(members, ",")
}

// lastOf is the last id of spans.
func lastOf(spans []Span) (last int64) {
	for _, sp := range spans {
		last = max(last, sp.Last)
	}
	return last
}

// oldest returns the oldest entries of a DLQ as one span a topic, and their causes.
func (s *DeadLetters) oldest(t Tx, d held, upTo int64, limit int) (spans []Span, of causes, err error) {
	of = causes{}
	look := func(after int64) error {
		return t.Query(func(row Scanner) error {
			var sp Span
			var signature, entries int64
			err := row.Scan(&sp.Topic, &signature, &sp.First, &sp.Last, &entries)
			of[signature] += entries
			spans = with(spans, sp)
			return err
		}, groupOldest, after, fullID(d.id, upTo), limit)
	}
	floor := s.floors.above(d.id)
	err = look(floor)
	if err == nil && len(spans) == 0 && floor != fullID(d.id, 0) {
		err = look(fullID(d.id, 0)) // the database may have been put back to how it was
	}
	return spans, of, err
}

// spans returns what to move, and its causes: the oldest entries as one span a topic, or the named ones, those together that
// follow each other.
func (s *DeadLetters) spans(t Tx, d held, p *dlq.RedriveParams) (spans []Span, leaving causes, err error) {
	if p.IDs == nil {
		limit := p.Limit
		if p.Job != "" {
			limit = min(limit, s.dialect.Step())
		}
		return s.oldest(t, d, p.UpTo, limit)
	}
	if spans, err = namedSpans(t, d, p.IDs); err != nil {
		return nil, nil, err
	}
	leaving = causes{}
	for _, sp := range spans {
		if err := leaving.add(t, countCausesOf, sp.First, sp.Last, sp.Topic); err != nil {
			return nil, nil, err
		}
	}
	return spans, leaving, nil
}

// with has spans cover another one, of its topic there is one.
func with(spans []Span, sp Span) []Span {
	at := slices.IndexFunc(spans, func(known Span) bool { return known.Topic == sp.Topic })
	if at < 0 {
		return append(spans, sp)
	}
	spans[at].First, spans[at].Last = min(spans[at].First, sp.First), max(spans[at].Last, sp.Last)
	return spans
}

// namedSpans returns the named entries that are there.
func namedSpans(t Tx, d held, ids []int64) (spans []Span, err error) {
	for _, run := range runsOf(d.id, ids) {
		err = t.Query(func(row Scanner) error {
			var id int64
			var topic string
			err := row.Scan(&id, &topic)
			if last := len(spans) - 1; last >= 0 && spans[last].Topic == topic && spans[last].Last == id-1 {
				spans[last].Last = id
			} else {
				spans = append(spans, Span{Topic: topic, First: id, Last: id})
			}
			return err
		}, selectTopics, run.after, run.upTo, everything)
		if err != nil {
			return nil, err
		}
	}
	return spans, nil
}
