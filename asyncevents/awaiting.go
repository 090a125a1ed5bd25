package asyncevents

import (
	"context"
	"math/rand/v2"
	"net/url"
	"sync"
	"time"
)

const (
	// maxWait is how long the answer to a status request is held at most.
	maxWait = time.Minute
	// maxWaiters is how many requests are held at once; the others are answered at once, with where their event stands.
	maxWaiters = 10_000
	// maxLooks is how many of those that wait ask the store at once, so that they leave its connections to the intake.
	maxLooks = 4
	// firstPause and longestPause are between the looks of one that waits: what this process settles wakes it, so that looks are for
	// what others settle.
	firstPause, longestPause = 100 * time.Millisecond, 5 * time.Second
)

// waiters are those who wait for events to be done.
type waiters struct {
	looks chan struct{}

	mu    sync.Mutex
	count int
	on    map[string]*awaited
}

// awaited is an event that somebody waits for.
type awaited struct {
	done  chan struct{} // closed when it is
	count int
}

func newWaiters() *waiters {
	return &waiters{looks: make(chan struct{}, maxLooks), on: map[string]*awaited{}}
}

// join returns what is closed when the event is done, nil when too many wait already, and how to stop waiting.
func (w *waiters) join(id string) (done <-chan struct{}, leave func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.count >= maxWaiters {
		return nil, func() {}
	}
	event := w.on[id]
	if event == nil {
		event = &awaited{done: make(chan struct{})}
		w.on[id] = event
	}
	event.count++
	w.count++
	return event.done, func() { w.leave(id, event) }
}

func (w *waiters) leave(id string, event *awaited) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count--
	if event.count--; event.count == 0 && w.on[id] == event {
		delete(w.on, id)
	}
}

// tell wakes those who wait for an event that is done.
func (w *waiters) tell(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if event := w.on[id]; event != nil {
		close(event.done)
		delete(w.on, id)
	}
}

// Await is Status, held until the event is processed, refused or in the DLQ, or until within is over. What this process settles
// is known at once, what others do after five seconds at most. It returns the error of ctx when that ends first.
func (s *Service) Await(ctx context.Context, correlationID string, within time.Duration) (Record, error) {
	done, leave := s.waiters.join(correlationID)
	defer leave()
	if done == nil {
		within = 0
	}
	over := time.NewTimer(within)
	defer over.Stop()
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		record, err := s.look(ctx, correlationID)
		if err != nil || within <= 0 || record.Status.Final() {
			return record, err
		}
		next := time.NewTimer(pause/2 + rand.N(pause/2)) //nolint:gosec // spreads load, guards nothing
		select {
		case <-done:
			done = nil // it may have been moved back since: then others have to tell
		case <-next.C:
		case <-over.C:
			within = 0 // one last look
		case <-ctx.Done():
			err = ctx.Err()
		}
		next.Stop()
		if err != nil {
			return Record{}, err
		}
	}
}

// look is Status for one that waits.
func (s *Service) look(ctx context.Context, correlationID string) (Record, error) {
	select {
	case s.waiters.looks <- struct{}{}:
	case <-ctx.Done():
		return Record{}, ctx.Err()
	}
	defer func() { <-s.waiters.looks }()
	return s.Status(ctx, correlationID)
}

// waitOf returns for how long a client wants the answer to be held; 0 for not at all.
func waitOf(query url.Values) (time.Duration, *Problem) {
	if !query.Has("wait") {
		return 0, nil
	}
	wait, err := time.ParseDuration(query.Get("wait"))
	if err != nil || wait < 0 {
		return 0, newInvalidPropertyProblem("wait must be a duration such as 10s")
	}
	return min(wait, maxWait), nil
}
