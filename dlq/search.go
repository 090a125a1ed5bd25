package dlq

import (
	"context"
	"fmt"
)

const (
	// lookChunk is how many entries a search reads at a time.
	lookChunk = 1000
	// lookMost is how many entries a search reads for one page, so that the answer comes soon in a DLQ of any size.
	lookMost = 10_000
)

// Query asks for one page of what a filter finds in a DLQ.
type Query struct {
	// Filter says which entries; all by default.
	Filter Filter
	// Cursor is the NextCursor of the page before; empty for the first one.
	Cursor string
	// Limit is the largest number of entries on the page, up to 1,000; more counts as 1,000. Defaults to 50.
	Limit int
}

// Page is a part of a DLQ, oldest entries first.
type Page struct {
	// Entries is never nil.
	Entries []Entry
	// NextCursor asks for the page after this one; empty on the last one.
	NextCursor string
	// Total is how many entries the whole DLQ holds.
	Total int64
	// Complete is whether the page is full or the last one. One that is not was cut off, because entries had to be read that the
	// filter does not mean: after 10,000 of them. The search goes on at NextCursor.
	Complete bool
}

// List returns one page of what a filter finds in a DLQ, oldest first. Pages follow the ids, so that none is skipped or shown twice
// while entries come and go. It returns ErrBadCursor for a cursor that it did not hand out, and ErrBadFilter.
func (m *Manager) List(ctx context.Context, queue string, q Query) (Page, error) {
	after, err := parseCursor(q.Cursor)
	if err != nil {
		return Page{}, fmt.Errorf("dlq: list %s: %w", queue, err)
	}
	stats, err := m.Stat(ctx, queue)
	if err != nil {
		return Page{}, err
	}
	s := &search{Queue: queue, Filter: q.Filter, After: after}
	page := Page{Entries: []Entry{}, Total: stats.Count}
	limit := pageSize(q.Limit)
	for looked := 0; !s.done && len(page.Entries) < limit && looked < lookMost; looked += s.read {
		found, err := m.look(ctx, s, limit-len(page.Entries))
		if err != nil {
			return Page{}, fmt.Errorf("dlq: list %s: %w", queue, err)
		}
		page.Entries = append(page.Entries, found...)
	}
	if !s.done {
		page.NextCursor = formatCursor(s.After)
	}
	page.Complete = s.done || len(page.Entries) == limit
	return page, nil
}

func pageSize(limit int) int {
	if limit <= 0 {
		return DefaultPage
	}
	return min(limit, MaxPage)
}

// Count returns how many entries of a DLQ a filter means, and the largest id that the DLQ holds. Entries that come in later have
// larger ones, so that filter and id name a set that does not grow any more. It reads the whole DLQ where the filter is more than a
// lookup: a second or two for 100,000 entries.
func (m *Manager) Count(ctx context.Context, queue string, filter Filter) (count, upTo int64, err error) {
	stats, err := m.Stat(ctx, queue)
	if err != nil || filter.IsZero() || stats.Count == 0 {
		return stats.Count, stats.Newest, err
	}
	for s := (&search{Queue: queue, Filter: filter, UpTo: stats.Newest}); !s.done; {
		found, err := m.look(ctx, s, lookChunk)
		if err != nil {
			return 0, 0, fmt.Errorf("dlq: count in %s: %w", queue, err)
		}
		count += int64(len(found))
	}
	return count, stats.Newest, nil
}

// search goes through a DLQ, piece by piece.
type search struct {
	Queue  string
	Filter Filter
	UpTo   int64 // the largest id that is looked at; 0 for all
	After  int64 // the id up to which the search has looked
	read   int   // how many entries the latest piece read
	done   bool  // there is nothing after After
}

// look reads the next entries, and returns those that are meant, at most limit of them.
func (m *Manager) look(ctx context.Context, s *search, limit int) (found []Entry, err error) {
	if err := s.Filter.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadFilter, err)
	}
	matcher, chunk := newMatcher(&s.Filter), lookChunk
	if s.Filter.isLookup() {
		chunk = min(chunk, limit)
	}
	f := &s.Filter
	entries, err := m.store.List(ctx, ListParams{
		Queue: s.Queue, After: s.After, UpTo: s.UpTo, Limit: chunk + 1,
		CorrelationID: f.CorrelationID, Signature: f.Signature, From: f.From, To: f.To,
	})
	if err != nil {
		return nil, err
	}
	s.done = len(entries) <= chunk
	entries = entries[:min(len(entries), chunk)]
	for i := range entries {
		if len(found) == limit { // the rest is looked at again
			s.done, entries = false, entries[:i]
			break
		}
		s.After = entries[i].ID
		if matcher.matches(&entries[i]) {
			found = append(found, entries[i])
		}
	}
	s.read = len(entries)
	return found, nil
}

func idsOf(entries []Entry) []int64 {
	ids := make([]int64, len(entries))
	for i := range entries {
		ids[i] = entries[i].ID
	}
	return ids
}
