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
	s, err := newSearch(queue, q.Filter, after, 0)
	if err != nil {
		return Page{}, fmt.Errorf("dlq: list %s: %w", queue, err)
	}
	limit := pageSize(q.Limit)
	found, err := m.find(ctx, s, limit)
	if err != nil {
		return Page{}, fmt.Errorf("dlq: list %s: %w", queue, err)
	}
	page := Page{Entries: append([]Entry{}, found...), Total: stats.Count}
	if !s.done {
		page.NextCursor = formatCursor(s.after)
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
	s, err := newSearch(queue, filter, 0, stats.Newest)
	if err != nil {
		return 0, 0, fmt.Errorf("dlq: count in %s: %w", queue, err)
	}
	for !s.done {
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
	*matcher
	queue string
	upTo  int64 // the largest id that is looked at; 0 for all
	after int64 // the id up to which the search has looked
	read  int   // how many entries the latest piece read
	done  bool  // there is nothing after that
}

// newSearch returns a search for what a filter means, or ErrBadFilter.
func newSearch(queue string, filter Filter, after, upTo int64) (*search, error) {
	if err := filter.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadFilter, err)
	}
	return &search{matcher: newMatcher(&filter), queue: queue, after: after, upTo: upTo}, nil
}

// find returns the next entries that are meant, at most limit of them, as far as one answer looks.
func (m *Manager) find(ctx context.Context, s *search, limit int) (found []Entry, err error) {
	for looked := 0; !s.done && len(found) < limit && looked < lookMost; looked += s.read {
		more, err := m.look(ctx, s, limit-len(found))
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	return found, nil
}

// look reads the next entries, and returns those that are meant, at most limit of them.
func (m *Manager) look(ctx context.Context, s *search, limit int) (found []Entry, err error) {
	chunk := lookChunk
	if s.filter.isLookup() {
		chunk = min(chunk, limit)
	}
	params := s.filter.lookup()
	params.Queue, params.After, params.UpTo, params.Limit = s.queue, s.after, s.upTo, chunk+1
	entries, err := m.store.List(ctx, params)
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
		s.after = entries[i].ID
		if s.matches(&entries[i]) {
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
