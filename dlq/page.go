package dlq

import (
	"context"
	"fmt"
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
	// Total is how many entries the filter means, if Counted.
	Total int64
	// Counted is whether Total is known. It is where the filter only looks up, and there are up to 10,000 or their number is one
	// that the store keeps: that of all entries, and of a cause. Otherwise it is known where the whole search is on one page.
	Counted bool
	// Complete is whether the page is full or the last one. One that is not was cut off, so that the answer came soon: after
	// 10,000 entries that had to be read, 8 MB or 150 ms. The search goes on at NextCursor.
	Complete bool
}

// countMost is up to where entries are counted for a page.
const countMost = 10_000

// List returns one page of what a filter finds in a DLQ, oldest first. Pages follow the ids, so that none is skipped or shown twice
// while entries come and go. It returns ErrBadCursor for a cursor that it did not hand out, and ErrBadFilter. At most four searches
// of a Manager run at once; others wait for them.
func (m *Manager) List(ctx context.Context, queue string, q Query) (Page, error) {
	page, err := m.list(ctx, queue, &q)
	if err != nil {
		return Page{}, fmt.Errorf("dlq: list %s: %w", queue, err)
	}
	return page, nil
}

func (m *Manager) list(ctx context.Context, queue string, q *Query) (page Page, err error) {
	after, err := parseCursor(q.Cursor)
	if err != nil {
		return page, err
	}
	s, err := newSearch(queue, &q.Filter, after, 0)
	if err != nil {
		return page, err
	}
	limit := pageSize(q.Limit)
	found, err := m.findWhole(ctx, s, limit)
	if err != nil {
		return page, err
	}
	page = Page{Entries: append([]Entry{}, found...), Complete: s.done || len(found) == limit}
	if !s.done {
		page.NextCursor = formatCursor(s.after)
	}
	if s.done && after == 0 {
		page.Total, page.Counted = int64(len(found)), true
		return page, nil
	}
	page.Total, page.Counted, err = m.total(ctx, queue, &q.Filter)
	return page, err
}

func pageSize(limit int) int {
	if limit <= 0 {
		return DefaultPage
	}
	return min(limit, MaxPage)
}

// total is how many entries a filter means; false where finding that out takes too long for a page.
func (m *Manager) total(ctx context.Context, queue string, filter *Filter) (total int64, known bool, err error) {
	if !filter.isLookup() {
		return 0, false, nil
	}
	params := filter.count(queue)
	params.Limit = countMost + 1
	total, _, err = m.store.Count(ctx, params)
	if err != nil || total == countMost+1 {
		return 0, false, err
	}
	return total, true, nil
}
