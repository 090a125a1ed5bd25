package amqp

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

// ledger is a broker that notes what is acknowledged, and complains of what a real one would close the channel for.
type ledger struct {
	mu          sync.Mutex
	outstanding map[uint64]bool
	calls       int
	err         error
}

func newLedger(n uint64) *ledger {
	l := &ledger{outstanding: map[uint64]bool{}}
	for tag := range n {
		l.outstanding[tag+1] = true
	}
	return l
}

func (l *ledger) Ack(tag uint64, multiple bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls++
	if !l.outstanding[tag] {
		return errors.New("unknown delivery tag")
	}
	for t := range l.outstanding {
		if t == tag || multiple && t < tag {
			delete(l.outstanding, t)
		}
	}
	return l.err
}

func (l *ledger) called() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.calls
}

func TestAcksEachDeliveryOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Range(1, 50).Draw(t, "deliveries")
		all := make([]uint64, n)
		for i := range all {
			all[i] = uint64(i) + 1
		}
		order := rapid.Permutation(all).Draw(t, "order")
		broker := newLedger(n)
		a := newAcks(broker)
		for i := 0; i < len(order); {
			batch := order[i:min(i+rapid.IntRange(1, 10).Draw(t, "batch"), len(order))]
			for _, tag := range batch {
				a.ack(tag)
			}
			a.flush(0)
			i += len(batch)
			for tag := range broker.outstanding {
				assert.NotContains(t, order[:i], tag, "what is done is acknowledged")
			}
			for _, tag := range order[i:] {
				assert.Contains(t, broker.outstanding, tag, "what is not done is not")
			}
		}
		assert.Empty(t, broker.outstanding)
		assert.LessOrEqual(t, broker.calls, len(order))
	})
}

func TestAcksTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broker := newLedger(500)
		a := newAcks(broker)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			a.ackAll(ctx)
		}()
		for tag := range uint64(499) {
			a.ack(tag + 1)
		}
		synctest.Wait()
		assert.Zero(t, broker.called(), "they gather")
		<-time.After(ackPace)
		synctest.Wait()
		assert.Equal(t, 1, broker.called())
		assert.Len(t, broker.outstanding, 1)
		a.ack(500)
		cancel()
		<-ended
		assert.Empty(t, broker.outstanding, "the end acknowledges what is left")
	})
}

// What is done waits for what came before it, but not for long.
func TestAcksOfOneThatTakesLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broker := newLedger(3)
		a := newAcks(broker)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			a.ackAll(ctx)
		}()
		a.ack(2)
		a.ack(3)
		<-time.After(ackPatience)
		assert.Zero(t, broker.called())
		<-time.After(3 * ackPace)
		assert.Equal(t, 2, broker.called(), "each by itself")
		a.ack(1)
		<-time.After(3 * ackPace)
		assert.Equal(t, 3, broker.called())
		cancel()
		<-ended
		assert.Empty(t, broker.outstanding)
		assert.Empty(t, a.above, "nothing is remembered of what lies below")
	})
}

func TestAcksOnALostChannel(t *testing.T) {
	t.Parallel()
	broker := newLedger(3)
	broker.err = errors.New("closed")
	a := newAcks(broker)
	for _, tag := range slices.Backward([]uint64{1, 3}) {
		a.ack(tag)
	}
	a.flush(0)
	assert.Equal(t, 1, broker.calls, "nothing more is said on it")
}
