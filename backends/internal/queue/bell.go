package queue

import (
	"maps"
	"slices"
	"sync"
)

// Bell wakes the consumers of a topic within one process. The zero value is ready to use.
type Bell struct {
	mu     sync.Mutex
	topics map[string]map[chan struct{}]struct{}
}

// Ring wakes every listener of the topic. It never blocks; rings that a listener has not heard yet count as one.
func (b *Bell) Ring(topic string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for ch := range b.topics[topic] {
		select {
		case ch <- struct{}{}:
		default:
		}
	}
}

// RingAll wakes every listener.
func (b *Bell) RingAll() {
	b.mu.Lock()
	topics := slices.Collect(maps.Keys(b.topics))
	b.mu.Unlock()
	for _, topic := range topics {
		b.Ring(topic)
	}
}

// Listen returns a channel that receives after a Ring of the topic, until stop is called.
func (b *Bell) Listen(topic string) (rings <-chan struct{}, stop func()) {
	ch := make(chan struct{}, 1)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.topics == nil {
		b.topics = map[string]map[chan struct{}]struct{}{}
	}
	if b.topics[topic] == nil {
		b.topics[topic] = map[chan struct{}]struct{}{}
	}
	b.topics[topic][ch] = struct{}{}
	return ch, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.topics[topic], ch)
		if len(b.topics[topic]) == 0 {
			delete(b.topics, topic)
		}
	}
}
