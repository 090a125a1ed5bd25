package postgres

import (
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
	mu     sync.Mutex
	cursor int64 // the last position found while there are more behind it, else 0
	newest int64 // the last position ever found
	depths []depth
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

// newScout returns a scout that looks at nothing but what is new, and at these depths, from the nearest to everything.
func newScout(depths ...depth) *scout { return &scout{depths: depths} }

// atCursor is the depth of a look at what is new.
const atCursor = -1

// from returns the position from which to look, and the depth of that look.
func (s *scout) from(now time.Time) (position int64, at int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at = len(s.depths) - 1; at > 0; at-- {
		if !now.Before(s.depths[at].nextAt) {
			return s.depths[at].floor, at
		}
	}
	if s.cursor != 0 && now.Before(s.depths[0].nextAt) {
		return s.cursor, atCursor
	}
	return s.depths[0].floor, 0
}

// looked notes the last position that a look found, 0 for none, and whether there are more behind it.
func (s *scout) looked(at int, last int64, more bool, began, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cursor = 0
	if more {
		s.cursor = last
	}
	s.newest = max(s.newest, last)
	for i := range s.depths {
		d := &s.depths[i]
		if d.back > 0 && now.Sub(d.markAt) >= d.back {
			d.floor, d.mark, d.markAt = d.mark, s.newest, now
		}
		if i <= at {
			d.nextAt = now.Add(max(d.every, lookShare*now.Sub(began)))
		}
	}
}

// again has everything looked at next: something was given back.
func (s *scout) again() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.depths[len(s.depths)-1].nextAt = time.Time{}
}
