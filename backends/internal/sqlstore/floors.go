package sqlstore

import "sync"

// floors remembers for each DLQ up to which id nothing stands in it any more. That stays so: ids become visible in their order,
// and none is used twice. A search that begins there does not wade through the remains of what was moved or erased, which a
// database keeps for a while.
type floors struct {
	mu sync.Mutex
	of map[int64]int64 // full ids, by DLQ
}

// above is the full id behind which the entries of a DLQ begin.
func (f *floors) above(dlq int64) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return max(f.of[dlq], fullID(dlq, 0))
}

// raise notes that nothing stands up to an id. It is called when that is committed.
func (f *floors) raise(dlq, id int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.of == nil {
		f.of = map[int64]int64{}
	}
	f.of[dlq] = max(f.of[dlq], id)
}
