package postgres

import (
	"math"
	"sync"
	"time"
)

// lookShare is the share of time that deep looks may take: one part in so many.
const lookShare = 20

// scout knows from where on an index is worth reading. Behind the rows that are wanted lie the remains of those that are
// gone: an index keeps them until they are vacuumed, and while a long transaction is open anywhere in the database, that does
// not happen. So reading begins where it ended the last time, and now and then further back, for what became visible behind
// that: the further, the less is to be expected, and the more seldom.
type scout struct {
	mu      sync.Mutex
	cursor  int64 // the last position found while there are more behind it, else 0
	newest  int64 // the last position ever found
	recalls int   // how often something was given back
	back    int64 // the first position given back and not looked at since, else nowhere
	depths  []depth
}

// depth is how far back a look goes. Positions are what an index is ordered by; all of them are positive.
type depth struct {
	// back is the age of its floor, or up to twice that; 0 is everything.
	back time.Duration
	// every is the least time between two looks of this depth.
	every time.Duration

	floor  int64
	mark   int64 // newest at markAt, the next floor
	markAt time.Time
	nextAt time.Time
}

// look is one look into an index: from a position on, at a depth or at what is new.
type look struct {
	from    int64
	depth   int
	began   time.Time
	recalls int // that it knows of
}

// atNew is the depth of a look at what is new.
const atNew = -1

// nowhere is behind every position.
const nowhere = math.MaxInt64

// newScout returns a scout that looks at nothing but what is new, and at these depths, from the nearest to everything.
func newScout(depths ...depth) *scout { return &scout{depths: depths, back: nowhere} }

// begin returns the next look.
func (s *scout) begin(now time.Time) look {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := look{depth: len(s.depths) - 1, began: now, recalls: s.recalls}
	for l.depth > 0 && now.Before(s.depths[l.depth].nextAt) {
		l.depth--
	}
	l.from = s.depths[l.depth].floor
	if l.depth == 0 && s.cursor != 0 && now.Before(s.depths[0].nextAt) {
		l.depth, l.from = atNew, s.cursor
	}
	l.from = min(l.from, s.back)
	return l
}

// end notes the last position that a look found, 0 for none, and whether there are more behind it.
func (s *scout) end(l look, last int64, more bool, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cursor = 0
	if more {
		s.cursor = last
	}
	if found := last > 0 || !more; found && l.recalls == s.recalls {
		s.back = nowhere
	}
	s.newest = max(s.newest, last)
	for i := range s.depths {
		d := &s.depths[i]
		if d.back > 0 && now.Sub(d.markAt) >= d.back {
			d.floor, d.mark, d.markAt = d.mark, s.newest, now
		}
	}
	s.rest(l, now)
}

// fail notes a look of which nothing came: as if there was too much to read in the time that it had. The nearer ones may do.
func (s *scout) fail(l look, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rest(l, now)
}

// rest puts off looks of the same depth, and of lesser ones.
func (s *scout) rest(l look, now time.Time) {
	for i := range l.depth + 1 {
		d := &s.depths[i]
		d.nextAt = now.Add(max(d.every, lookShare*now.Sub(l.began)))
	}
}

// recall has what was given back looked at next, of which this is the first position.
func (s *scout) recall(position int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.back = min(s.back, position)
	s.recalls++
}
