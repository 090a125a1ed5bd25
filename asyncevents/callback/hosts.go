package callback

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	// failuresToSpare is after how many failures in a row a host is spared.
	failuresToSpare = 10
	// firstPause and longestPause bound for how long: each pause is twice the one before.
	firstPause   = time.Second
	longestPause = time.Minute
	// quickAnswer is how long a host takes, on average, that others need no protection from. As long may a callback to such a
	// host wait in its place for its turn, rather than come again.
	quickAnswer = time.Second
	// briefly is how long one may wait for its turn at the rate of its site.
	briefly = 50 * time.Millisecond
	// shortestWait and longestWait bound after how long one comes again; in between are their doubles.
	shortestWait = 125 * time.Millisecond
	longestWait  = 32 * time.Second
	// slowShare is which part of the places that are free a host may have that is not known to be quick; a quarter of all is
	// not for such hosts.
	slowShare = 8
	// unknownTakes is how long an attempt is thought to take before the first one has ended; or as long as it has taken by then.
	unknownTakes = 10 * time.Millisecond
	// forgetAfter is after how long nothing is known of a host any more.
	forgetAfter = 10 * time.Minute
)

// BusyError is returned by Send when it is not the time to call the host: it has as many callbacks on their way as it may
// have, or failed so often that it is spared for a while. Nothing was sent: come again, and count no attempt.
type BusyError struct {
	// After is how long to wait before that: 125 ms, or a double of it up to 32 s.
	After time.Duration
	// Failures is how many callbacks in a row the host has failed, where it is spared for that; otherwise 0.
	Failures int
}

// Error says why, and nothing of the host.
func (e *BusyError) Error() string {
	if e.Failures > 0 {
		return fmt.Sprintf("the host is spared after %d failures in a row", e.Failures)
	}
	return "the host has enough callbacks on their way"
}

// hosts share out the places between the hosts. One that is quick may have as many as are free; one that is not, or not yet
// known to be, a small part of them, so that many of those together leave some to the others.
type hosts struct {
	places int

	mu    sync.Mutex
	busy  int // callbacks on their way, to all hosts
	known map[string]*host
	sweep int // how many hosts are known when those are forgotten that are idle
}

// host is what is known of one host and port.
type host struct {
	limit   int // of busy
	busy    int
	waiting []chan struct{}
	// heard is when the last attempt ended, or began where none was under way.
	heard time.Time
	// takes is how long an attempt takes, on average; 0 before the first one has ended.
	takes time.Duration
	// failures is how many attempts failed since the last one that did not.
	failures int
	pause    time.Duration
	until    time.Time // the end of the pause
	line     line
}

// fewHosts are as many as may be known without looking for idle ones.
const fewHosts = 1024

func newHosts(places int) *hosts {
	return &hosts{places: places, known: map[string]*host{}, sweep: fewHosts}
}

// enter returns when a callback may go to the host, of which limit may be on their way at once. Then leave has to be called.
// It may wait briefly; the error is a *BusyError.
func (h *hosts) enter(ctx context.Context, name string, limit int) (*host, error) {
	h.mu.Lock()
	to, now := h.get(name), time.Now()
	to.limit = limit
	if err := h.refuse(to, now); err != nil {
		h.mu.Unlock()
		return nil, err
	}
	if to.busy < h.share(to, now) {
		h.start(to)
		h.mu.Unlock()
		return to, nil
	}
	turn := make(chan struct{})
	to.waiting = append(to.waiting, turn)
	h.mu.Unlock()
	if err := h.await(ctx, to, turn); err != nil {
		return nil, err
	}
	return to, nil
}

// start begins a callback. The caller holds the lock, here and below.
func (h *hosts) start(to *host) {
	if to.busy == 0 {
		to.heard = time.Now()
	}
	h.busy++
	to.busy++
}

// refuse returns why a callback should come again, nil where it may go, or wait for a moment.
func (h *hosts) refuse(to *host, now time.Time) error {
	share := h.share(to, now)
	if to.spared() && (to.busy > 0 || now.Before(to.until)) { // after the pause one goes ahead
		return &BusyError{After: to.join(now, share), Failures: to.failures}
	}
	ahead := time.Duration(len(to.waiting)+1) * to.each(share, now)
	if to.busy >= share && (!to.quick(now) || ahead > quickAnswer) {
		return &BusyError{After: to.join(now, share)}
	}
	return nil
}

// share is how many callbacks to a host may be on their way now.
func (h *hosts) share(to *host, now time.Time) int {
	free := h.places - h.busy
	if to.quick(now) {
		return min(to.limit, max(free, 1))
	}
	free = max(free-h.places/4, 0)
	return min(to.limit, (free+slowShare-1)/slowShare)
}

func (p *host) spared() bool { return p.failures >= failuresToSpare }

// quick is whether the host is known to answer soon, and does. One that is not yet known may hang.
func (p *host) quick(now time.Time) bool {
	return p.takes > 0 && max(p.takes, p.silent(now)) <= quickAnswer
}

// silent is for how long attempts have been under way of which none has ended.
func (p *host) silent(now time.Time) time.Duration {
	if p.busy == 0 {
		return 0
	}
	return now.Sub(p.heard)
}

// each is the time from one callback to the next, when so many are on their way at once.
func (p *host) each(share int, now time.Time) time.Duration {
	return max(cmp.Or(p.takes, unknownTakes), p.silent(now)) / time.Duration(max(share, 1))
}

// join has a callback come again in its turn. They are told to come twice as fast as the host takes
// them, because waits are rounded up, and so that it is never idle.
func (p *host) join(now time.Time, share int) time.Duration {
	return p.line.join(now, later(p.until, now), p.each(share, now)/2)
}

// await waits briefly for a turn. The caller does not hold the lock.
func (h *hosts) await(ctx context.Context, to *host, turn chan struct{}) error {
	patience := time.NewTimer(quickAnswer)
	defer patience.Stop()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	case <-patience.C:
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	at := slices.Index(to.waiting, turn)
	if at < 0 { // it came at the last moment
		return nil
	}
	to.waiting = slices.Delete(to.waiting, at, at+1)
	now := time.Now()
	return &BusyError{After: to.join(now, h.share(to, now))}
}

// leave ends a callback that was not sent after all. The caller does not hold the lock, here and below.
func (h *hosts) leave(from *host) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.end(from)
}

// tell ends a callback that was sent and took so long. failed is whether the host is to blame for its failure. It returns
// whether the host is spared from now on, and whether it is back after having been spared.
func (h *hosts) tell(from *host, took time.Duration, failed bool) (spared, back bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := from.spared()
	from.learn(took, failed, time.Now())
	h.end(from)
	return from.spared() && !before, before && !from.spared()
}

// end frees a place, for one that waits. The caller holds the lock.
func (h *hosts) end(from *host) {
	h.busy--
	from.busy--
	for len(from.waiting) > 0 && !from.spared() && from.busy < h.share(from, time.Now()) {
		close(from.waiting[0])
		from.waiting = from.waiting[1:]
		h.start(from)
	}
}

// learn takes down how an attempt went.
func (p *host) learn(took time.Duration, failed bool, now time.Time) {
	p.heard = now
	p.takes = cmp.Or(p.takes, took)
	p.takes = max(p.takes+(took-p.takes)/8, 1)
	if !failed {
		p.failures, p.pause = 0, 0
		return
	}
	if p.failures++; p.spared() {
		p.pause = min(max(2*p.pause, firstPause), longestPause)
		p.until = now.Add(p.pause)
	}
}

// get returns what is known of a host.
func (h *hosts) get(name string) *host {
	if to := h.known[name]; to != nil {
		return to
	}
	if len(h.known) >= h.sweep {
		h.forget(time.Now())
	}
	to := &host{heard: time.Now()}
	h.known[name] = to
	return to
}

// forget forgets the hosts that are idle, and looks again when twice as many are known as are left.
func (h *hosts) forget(now time.Time) {
	for name, p := range h.known {
		if p.busy == 0 && len(p.waiting) == 0 && now.Sub(p.heard) > forgetAfter {
			delete(h.known, name)
		}
	}
	h.sweep = max(fewHosts, 2*len(h.known))
}
