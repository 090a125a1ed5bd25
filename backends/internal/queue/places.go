package queue

import (
	"sync"
	"time"
)

// places is how many messages a consumer may have in hand: Concurrency of them at work, and a few claimed ahead of the
// places that are about to be free, so that a place does not stand empty for as long as a claim takes.
type places struct {
	size int
	room chan struct{} // rings when more may be wanted
	work chan struct{} // rings when there may be something to hand out

	mu    sync.Mutex
	busy  int // places taken
	left  int // how often a place became free
	ahead int
	stock []*delivery // claimed, and waiting for a place
	since time.Time   // since when the stock waits
}

func newPlaces(size int) *places {
	return &places{size: size, room: make(chan struct{}, 1), work: make(chan struct{}, 1)}
}

func ring(bell chan struct{}) {
	select {
	case bell <- struct{}{}:
	default:
	}
}

// wanted is how many messages should be claimed now.
func (p *places) wanted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.size - p.busy - len(p.stock) + p.ahead
}

// claimAhead sets how many messages are claimed beyond the free places.
func (p *places) claimAhead(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ahead = min(n, p.size)
}

// add puts claimed messages in stock.
func (p *places) add(claimed []*delivery) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.stock) == 0 {
		p.since = time.Now()
	}
	p.stock = append(p.stock, claimed...)
	ring(p.work)
}

// take returns the next message that has a place now, nil when there is none.
func (p *places) take() *delivery {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy == p.size || len(p.stock) == 0 {
		return nil
	}
	d := p.stock[0]
	p.stock[0] = nil
	p.stock = p.stock[1:]
	p.since = time.Now()
	p.busy++
	return d
}

// leave frees a place.
func (p *places) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy--
	p.left++
	ring(p.room)
	ring(p.work)
}

// departures is how often a place became free so far.
func (p *places) departures() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.left
}

// waits is how long the stock has been waiting for a place; 0 when it is empty.
func (p *places) waits() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.stock) == 0 {
		return 0
	}
	return max(time.Since(p.since), 1)
}

// clear empties the stock.
func (p *places) clear() (stock []*delivery) {
	p.mu.Lock()
	defer p.mu.Unlock()
	stock, p.stock, p.ahead = p.stock, nil, 0
	ring(p.room)
	return stock
}
