package dlq

import (
	"context"
	"fmt"
	"time"
)

const (
	// lookMost, lookBytes and lookTime are how many entries a search reads for one answer, how much of payloads, and how long that
	// may take, so that the answer comes soon in a DLQ of any size. What is reached first ends it, after the piece that is being
	// read.
	lookMost  = 10_000
	lookBytes = 8 << 20
	lookTime  = 150 * time.Millisecond

	// lookChunk is how many entries a search reads at a time.
	lookChunk = 1000
	// wholePiece is how many it begins with where it reads them whole, wholeMost up to how many it goes on with while they are
	// small: as many as have about pieceBytes of payload.
	wholePiece = DefaultPage
	wholeMost  = 250
	pieceBytes = 1 << 20

	// searchesAtOnce is how many searches of a Manager read at the same time, and so how much memory they take together.
	searchesAtOnce = 4
)

// search goes through a DLQ, piece by piece.
type search struct {
	*matcher
	queue string
	upTo  int64 // the largest id that is looked at; 0 for all
	after int64 // the id up to which the search has looked
	done  bool  // there is nothing after that

	whole bool // entries are read whole
	piece int  // how many to read next if so
	// entries and bytes of payloads were read for this answer, which is due at a time.
	entries, bytes int
	due            time.Time
}

// newSearch returns a search for what a filter means in a DLQ, or ErrBadFilter.
func newSearch(queue string, filter *Filter, after, upTo int64) (*search, error) {
	if queue == "" {
		return nil, errNoQueue
	}
	if err := filter.check(); err != nil {
		return nil, err
	}
	return &search{
		matcher: newMatcher(filter), queue: queue, after: after, upTo: lower(upTo, filter.UpTo),
		whole: filter.ReadsPayloads(), piece: wholePiece,
	}, nil
}

// check returns ErrBadFilter with the faults of a filter.
func (f *Filter) check() error {
	if err := f.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrBadFilter, err)
	}
	return nil
}

// lower is the smaller of two bounds, of which 0 is none.
func lower(a, b int64) int64 {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// goesOn is whether there is more to look at, and this answer has not taken all that it may.
func (s *search) goesOn() bool {
	return !s.done && s.entries < lookMost && s.bytes < lookBytes && time.Now().Before(s.due)
}

// note counts what was read, and says how much to read next where that was whole.
func (s *search) note(entries []Entry, whole bool) {
	s.entries += len(entries)
	if !whole || len(entries) == 0 {
		return
	}
	bytes := 1
	for i := range entries {
		bytes += len(entries[i].Payload)
	}
	s.bytes += bytes
	s.piece = max(1, min(2*s.piece, wholeMost, len(entries)*pieceBytes/bytes))
}

// enter waits until the Manager may search, for as long as ctx lasts. leave is to be called afterwards.
func (m *Manager) enter(ctx context.Context) (leave func(), err error) {
	select {
	case m.searches <- struct{}{}:
		return func() { <-m.searches }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// find returns the next entries that are meant, at most limit of them, as far as one answer looks: brief ones where the filter
// does not read payloads.
func (m *Manager) find(ctx context.Context, s *search, limit int) ([]Entry, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	return m.findNow(ctx, s, limit)
}

// findWhole is find with the entries whole.
func (m *Manager) findWhole(ctx context.Context, s *search, limit int) ([]Entry, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	s.whole = s.whole || s.filter.isLookup() // everything that is read is handed out
	found, err := m.findNow(ctx, s, limit)
	if err != nil || s.whole {
		return found, err
	}
	return m.load(ctx, s, found)
}

// findNow is find of a caller that may search.
func (m *Manager) findNow(ctx context.Context, s *search, limit int) (found []Entry, err error) {
	s.entries, s.bytes, s.due = 0, 0, time.Now().Add(lookTime)
	for s.goesOn() && len(found) < limit {
		more, err := m.look(ctx, s, limit-len(found))
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	return found, nil
}

// load reads brief entries whole, as far as the answer goes; the search goes on behind them. Those that left meanwhile are passed over.
func (m *Manager) load(ctx context.Context, s *search, found []Entry) (whole []Entry, err error) {
	for ids := idsOf(found); len(ids) > 0; {
		n := min(len(ids), s.piece)
		entries, err := m.store.List(ctx, ListParams{Queue: s.queue, IDs: ids[:n], Limit: n})
		if err != nil {
			return nil, err
		}
		whole = append(whole, entries...)
		s.note(entries, true)
		last := ids[n-1]
		if ids = ids[n:]; len(ids) > 0 && s.bytes >= lookBytes {
			s.after, s.done = last, false
			break
		}
	}
	return whole, nil
}

// through looks at everything that a search looks at, and has use take what is meant, in pieces. Other searches come in between.
func (m *Manager) through(ctx context.Context, s *search, use func(found []Entry) error) error {
	for !s.done {
		found, err := m.lookInTurn(ctx, s)
		if err == nil && len(found) > 0 {
			err = use(found)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *Manager) lookInTurn(ctx context.Context, s *search) ([]Entry, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	return m.look(ctx, s, lookChunk)
}

// look reads the next piece, and returns what is meant of it, at most limit entries.
func (m *Manager) look(ctx context.Context, s *search, limit int) (found []Entry, err error) {
	params, chunk := s.next(limit)
	entries, err := m.store.List(ctx, params)
	if err != nil {
		return nil, err
	}
	s.note(entries, !params.Brief)
	s.done = len(entries) <= chunk
	entries = entries[:min(len(entries), chunk)]
	for i := range entries {
		if len(found) == limit { // the rest is looked at again
			s.done = false
			break
		}
		s.after = entries[i].ID
		if s.matches(&entries[i]) {
			found = append(found, entries[i])
		}
	}
	return found, nil
}

// next is what to ask the store for: a chunk, and one more, which tells whether there is anything behind it.
func (s *search) next(limit int) (params ListParams, chunk int) {
	params = s.filter.lookup()
	params.Queue, params.After, params.UpTo, params.Brief = s.queue, s.after, s.upTo, !s.whole
	chunk = lookChunk
	if s.whole {
		chunk = s.piece
	}
	if s.filter.isLookup() {
		chunk = min(chunk, limit)
	}
	params.Limit = chunk + 1
	return params, chunk
}

func idsOf(entries []Entry) []int64 {
	ids := make([]int64, len(entries))
	for i := range entries {
		ids[i] = entries[i].ID
	}
	return ids
}
