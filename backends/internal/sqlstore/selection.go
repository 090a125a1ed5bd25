package sqlstore

import (
	"slices"

	"github.com/redrive-go/redrive/dlq"
)

// runs returns the ids of what is to leave a DLQ: the oldest entries as one run, or the named ones, those together that follow each
// other.
func (s *DeadLetters) runs(t Tx, d held, which *dlq.Selection) (runs []span, err error) {
	if which.IDs != nil {
		return runsOf(d.id, which.IDs), nil
	}
	spans, _, err := s.oldest(t, d, which.UpTo, which.Limit)
	if err != nil || len(spans) == 0 {
		return nil, err
	}
	first := spans[0].First
	for _, sp := range spans {
		first = min(first, sp.First)
	}
	return []span{{after: first - 1, upTo: lastOf(spans)}}, nil
}

// runsOf returns the spans of ids that follow each other.
func runsOf(dlq int64, ids []int64) (runs []span) {
	for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		if id <= 0 || id >= dlqSpan {
			continue
		}
		full := fullID(dlq, id)
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
