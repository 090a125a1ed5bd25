package sqlstore

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// maxSuspects bounds how many ids are remembered.
const maxSuspects = 1024

// lane is for so many calls at a time.
type lane chan struct{}

// stragglers are calls that are tried alone, beside the batches. One id may be held by a host's open transaction: the batch
// that waits for it is given up, and each of its calls has one try of its own, so that only the one that is to blame fails.
// Its id is remembered as a suspect until it gets through, and its calls keep out of batches and out of others' way.
type stragglers struct {
	others   lane
	suspects lane
	answered atomic.Int64 // how many calls the server answered, here or in batches
	slow     atomic.Bool  // it is the server that takes long, and batches get all the time that their callers have

	mu      sync.Mutex
	known   map[string]struct{} // the suspects
	doubted doubt
}

// doubt is an id that was late alone while nobody got an answer: it may be held, or the server is slow.
type doubt struct {
	id       string
	answered int64 // by then
}

func newStragglers(lanes int) *stragglers {
	return &stragglers{others: make(lane, lanes), suspects: make(lane, 1), known: map[string]struct{}{}}
}

// patience is for how long a batch is waited for before its calls are tried alone, and whether they are. To try them so on a
// server that is slow would only give it more to do.
func (s *stragglers) patience() (most time.Duration, split bool) {
	if s.slow.Load() {
		return callPatience, false
	}
	return flushPatience, true
}

// flushed notes how long a batch took that was waited for. Batches are split again once one of them was quick, or failed
// with all the time that it could have.
func (s *stragglers) flushed(took, most time.Duration, late bool) {
	if late && most == callPatience || !late && took < flushPatience {
		s.slow.Store(false)
	}
}

// suspect is whether an id was in the way lately.
func (s *stragglers) suspect(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, is := s.known[id]
	return is
}

// try does something for an id when there is room, before ctx ends.
func (s *stragglers) try(ctx context.Context, id string, do func(context.Context) error) error {
	l, err := s.enter(ctx, id)
	if err != nil {
		return err
	}
	defer func() { <-l }()
	ctx, cancel := context.WithTimeout(ctx, flushPatience)
	defer cancel()
	answered := s.answered.Load()
	err = do(ctx)
	switch {
	case isLate(ctx, err) && s.answered.Load() > answered:
		s.blame(id)
	case isLate(ctx, err):
		s.doubt(id, answered)
	case !errors.Is(err, ErrUnavailable) && ctx.Err() == nil:
		s.answered.Add(1)
		s.acquit(id)
	}
	return err
}

// enter waits for room in the lane of an id, which may become a suspect meanwhile.
func (s *stragglers) enter(ctx context.Context, id string) (lane, error) {
	for {
		l := s.lane(id)
		select {
		case l <- struct{}{}:
		case <-ctx.Done():
			return nil, errImpatient
		}
		if l == s.lane(id) && ctx.Err() == nil {
			return l, nil
		}
		<-l
	}
}

func (s *stragglers) lane(id string) lane {
	if s.suspect(id) {
		return s.suspects
	}
	return s.others
}

// blame remembers an id that was late while others got their answers. Where nobody does, it is the server that is away.
func (s *stragglers) blame(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) >= maxSuspects {
		clear(s.known) // whoever is to blame comes back
	}
	s.known[id] = struct{}{}
}

// doubt notes an id that was late while nobody got an answer. Where another one was before, and nobody got one since, it is the
// server that is slow.
func (s *stragglers) doubt(id string, answered int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.doubted.id != "" && s.doubted.id != id && s.doubted.answered == answered {
		s.slow.Store(true)
	}
	s.doubted = doubt{id, answered}
}

func (s *stragglers) acquit(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, id)
}
