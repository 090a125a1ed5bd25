package foreign

import "sync"

// recentIDs is how many ids of events are remembered, and at most as many again.
const recentIDs = 50_000

// recent remembers the ids of events that were taken in lately, so that one which comes twice is taken once, also when it comes
// twice at the same time. It is a memory of this process alone.
type recent struct {
	size int

	mu         sync.Mutex
	busy       map[string]chan struct{} // closed when it is no longer
	young, old map[string]struct{}
}

func newRecent(size int) *recent {
	return &recent{size: size, busy: map[string]chan struct{}{}, young: map[string]struct{}{}}
}

// begin returns whether the caller is to take an event in, and then has to call end. It waits while somebody else is about to.
func (r *recent) begin(id string) bool {
	for {
		taken, wait := r.try(id)
		if wait == nil {
			return !taken
		}
		<-wait
	}
}

// try makes an id busy, unless it is taken, or busy and to be waited for.
func (r *recent) try(id string) (taken bool, wait <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if busy, ok := r.busy[id]; ok {
		return false, busy
	}
	_, young := r.young[id]
	_, old := r.old[id]
	if young || old {
		return true, nil
	}
	r.busy[id] = make(chan struct{})
	return false, nil
}

// end notes what came of an event that was begun.
func (r *recent) end(id string, taken bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.busy[id])
	delete(r.busy, id)
	if !taken {
		return
	}
	if len(r.young) >= r.size {
		r.old, r.young = r.young, make(map[string]struct{}, r.size)
	}
	r.young[id] = struct{}{}
}
