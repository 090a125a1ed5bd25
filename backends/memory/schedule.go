package memory

import (
	"container/heap"
	"time"
)

// schedule is items ordered by their wake time. The zero value is empty.
type schedule []*item

func (s *schedule) add(it *item, wake time.Time) {
	it.wake = wake
	heap.Push((*byWake)(s), it)
}

func (s *schedule) remove(it *item) { heap.Remove((*byWake)(s), it.index) }

func (s *schedule) move(it *item, wake time.Time) {
	it.wake = wake
	heap.Fix((*byWake)(s), it.index)
}

// first is the item that wakes first, nil when there is none.
func (s schedule) first() *item {
	if len(s) == 0 {
		return nil
	}
	return s[0]
}

// woken returns up to limit items whose wake time has come, in no order. It looks at those and their heirs only: what
// lies below an item in the heap wakes no sooner.
func (s schedule) woken(now time.Time, limit int) []*item {
	var found []*item
	for open := []int{0}; len(open) > 0 && len(found) < limit; {
		at := open[len(open)-1]
		open = open[:len(open)-1]
		if at < len(s) && !s[at].wake.After(now) {
			found = append(found, s[at])
			open = append(open, 2*at+2, 2*at+1)
		}
	}
	return found
}

// byWake is a schedule as container/heap sees it.
type byWake []*item

func (h byWake) Len() int { return len(h) }

func (h byWake) Less(i, j int) bool {
	if h[i].wake.Equal(h[j].wake) {
		return h[i].id < h[j].id
	}
	return h[i].wake.Before(h[j].wake)
}

func (h byWake) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *byWake) Push(x any) {
	it := x.(*item) // only items are pushed
	it.index = len(*h)
	*h = append(*h, it)
}

func (h *byWake) Pop() any {
	last := len(*h) - 1
	it := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return it
}
