package postgres

import (
	"sync"
	"time"
)

const (
	// lookEvery is how often, while there is enough to claim behind the cursor, is looked for what was left before it.
	lookEvery = 100 * time.Millisecond
	// calm is after how long nothing is expected any more among messages that were passed over: a transaction of the
	// host's that takes longer to commit is found by the look at everything.
	calm = 10 * time.Second
	// fullEvery is how often everything is looked at, and fullShare, how much of the time that may take.
	fullEvery = time.Second
	fullShare = 20
)

// scout knows from which message on a topic is worth looking at. Behind the messages that wait lie the remains of those
// that are gone: an index keeps them until they are vacuumed, and while a long transaction is open anywhere in the database, that
// does not happen. So claims look from where the last one ended; often enough, from a floor below which everything
// was settled a while ago; and sometimes at everything.
type scout struct {
	mu     sync.Mutex
	cursor int64 // the last message claimed while there are more behind it, else 0
	floor  int64
	newest int64 // the last message ever claimed
	mark   int64 // newest at markAt, the next floor

	markAt, lookAt, fullAt time.Time
}

// from returns the message behind which to look, and whether that is everything.
func (s *scout) from(now time.Time) (id int64, full bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !now.Before(s.fullAt):
		s.lookAt = now.Add(lookEvery)
		return 0, true
	case s.cursor == 0 || !now.Before(s.lookAt):
		s.lookAt = now.Add(lookEvery)
		return s.floor, false
	}
	return s.cursor, false
}

// looked notes the last message that a look found, 0 for none, and whether it found as many as were asked for.
func (s *scout) looked(last int64, enough, full bool, began, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cursor = 0
	if enough {
		s.cursor = last
	}
	s.newest = max(s.newest, last)
	if now.Sub(s.markAt) >= calm {
		s.floor, s.mark, s.markAt = s.mark, s.newest, now
	}
	if full {
		s.fullAt = now.Add(max(fullEvery, fullShare*now.Sub(began)))
	}
}

// lowest is the message behind which a look misses nothing that is expected.
func (s *scout) lowest() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.floor
}

// again has everything looked at next: something was given back.
func (s *scout) again() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fullAt = time.Time{}
}
