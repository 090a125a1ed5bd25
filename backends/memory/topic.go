package memory

import "time"

// topic is the messages of one topic, each in exactly one of three places. ready is in the order in which they became
// due, so that putting one in and taking one out costs the same with ten waiting as with a million.
type topic struct {
	name    string
	ready   fifo
	delayed schedule // by due time: not due yet, or given back
	leased  schedule // by end of lease
}

// put lets the item wait until it is due, and returns whether a consumer that sleeps should hear of it.
func (t *topic) put(it *item, now time.Time, after time.Duration) (news bool) {
	it.topic, it.owner = t, 0
	if after <= 0 {
		it.due = now
		t.ready.push(it)
		return true
	}
	it.due = now.Add(after)
	t.delayed.add(it, it.due)
	return t.delayed[0] == it
}

// giveBack returns a held item to its place before those that became due later.
func (t *topic) giveBack(it *item) {
	it.owner = 0
	it.attempt--
	t.delayed.add(it, it.due)
}

// take removes the item that has been due for longest, nil when none is.
func (t *topic) take(now time.Time) *item {
	first := t.ready.first()
	if late := t.delayed.first(); late != nil && !late.due.After(now) && (first == nil || !late.due.After(first.due)) {
		t.delayed.remove(late)
		return late
	}
	if first != nil {
		t.ready.pop()
	}
	return first
}

// next is the time until the earliest delayed item is due, negative when there is none.
func (t *topic) next(now time.Time) time.Duration {
	if it := t.delayed.first(); it != nil {
		return max(0, it.due.Sub(now))
	}
	return -1
}

// fifo is a queue of items. The zero value is empty.
type fifo struct {
	items []*item
	head  int
}

func (f *fifo) len() int { return len(f.items) - f.head }

func (f *fifo) first() *item {
	if f.len() == 0 {
		return nil
	}
	return f.items[f.head]
}

func (f *fifo) push(it *item) { f.items = append(f.items, it) }

// pop drops the first item. The room of those that are gone is used again when it is the larger part, so each item is
// moved once on average.
func (f *fifo) pop() {
	f.items[f.head] = nil
	f.head++
	if f.head*2 < len(f.items) {
		return
	}
	n := copy(f.items, f.items[f.head:])
	clear(f.items[n:])
	f.items, f.head = f.items[:n], 0
}
