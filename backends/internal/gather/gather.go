// Package gather joins concurrent calls into batches: group commit.
//
// While one batch is flushed the next one fills, so a lone call waits for nothing, and many calls at once share one
// flush. No goroutine lives longer than there is something to flush.
package gather

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
)

// Gatherer joins concurrent calls of Do into calls of one flush function.
type Gatherer[T any] struct {
	flush    func(batch []T) []error
	maxBatch int
	flushers int
	waiters  sync.Pool // of this Gatherer alone: channels must not leave the bubble of a test with synctest

	mu      sync.Mutex
	pending []call[T]
	spare   []call[T] // a drained slice, kept to be filled again
	running int
}

type call[T any] struct {
	item T
	done func(error)
}

// waiter is a caller that waits.
type waiter struct {
	answer chan error
	done   func(error)
}

func newWaiter() any {
	w := &waiter{answer: make(chan error, 1)}
	w.done = func(err error) { w.answer <- err }
	return w
}

// errPanic is what the callers of a batch get whose flush panicked.
var errPanic = errors.New("gather: flush panicked")

// New returns a Gatherer. flush gets 1 to maxBatch items and returns nil when all of them succeeded, or one error an item.
// At most flushers of them run at once; flush must not keep the slice.
func New[T any](maxBatch, flushers int, flush func(batch []T) []error) *Gatherer[T] {
	return &Gatherer[T]{flush: flush, maxBatch: maxBatch, flushers: flushers, waiters: sync.Pool{New: newWaiter}}
}

// Do hands item to the next flush and returns its error. It takes no context on purpose: once handed in, an item may
// be flushed at any moment, and a caller that left early could not know what became of it.
func (g *Gatherer[T]) Do(item T) error {
	w := g.waiters.Get().(*waiter)
	g.Send(item, w.done)
	err := <-w.answer
	g.waiters.Put(w)
	return err
}

// Send hands item to the next flush, and has done called with its error. done must not block: other items of the
// flush wait behind it.
func (g *Gatherer[T]) Send(item T, done func(error)) {
	g.mu.Lock()
	g.pending = append(g.pending, call[T]{item, done})
	start := g.running < g.flushers
	if start {
		g.running++
	}
	g.mu.Unlock()
	if start {
		go g.drain()
	}
}

// drain flushes until nothing is pending. Before it ends it lets others go first: what they hand in then needs no goroutine of its own,
// with a stack that has to grow, for each single item of a flush that is quick.
func (g *Gatherer[T]) drain() {
	var items []T
	for {
		items = g.flushPending(items)
		runtime.Gosched()
		if g.end() {
			return
		}
	}
}

// flushPending flushes what is pending, batch by batch, each collected in the space of items, which it returns to be used again.
func (g *Gatherer[T]) flushPending(items []T) []T {
	for {
		batch, whole := g.take()
		if len(batch) == 0 {
			return items
		}
		items = items[:0]
		for i := range batch {
			items = append(items, batch[i].item)
		}
		g.answer(batch, g.safely(items))
		clear(items)
		clear(batch)
		if whole {
			g.recycle(batch[:0])
		}
	}
}

// take returns the next batch, and whether it is the whole of a slice that nobody else uses.
func (g *Gatherer[T]) take() (batch []call[T], whole bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch n := len(g.pending); {
	case n == 0:
		return nil, false
	case n <= g.maxBatch:
		batch, g.pending, g.spare = g.pending, g.spare, nil
		return batch, true
	default:
		batch = g.pending[:g.maxBatch:g.maxBatch]
		g.pending = g.pending[g.maxBatch:]
		return batch, false
	}
}

// end ends the calling flusher, unless something is pending.
func (g *Gatherer[T]) end() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.pending) > 0 {
		return false
	}
	g.running--
	return true
}

func (g *Gatherer[T]) recycle(empty []call[T]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.spare == nil {
		g.spare = empty
	}
}

func (g *Gatherer[T]) answer(batch []call[T], errs []error) {
	for i := range batch {
		var err error
		if errs != nil {
			err = errs[i]
		}
		batch[i].done(err)
	}
}

// safely keeps a panic in flush from leaving callers waiting for ever.
func (g *Gatherer[T]) safely(items []T) (errs []error) {
	defer func() {
		if v := recover(); v != nil {
			errs = Fail(len(items), fmt.Errorf("%w: %v", errPanic, v))
		}
	}()
	return g.flush(items)
}

// Fail returns err n times, as the answer of a flush that failed as a whole.
func Fail(n int, err error) []error {
	errs := make([]error, n)
	for i := range errs {
		errs[i] = err
	}
	return errs
}
