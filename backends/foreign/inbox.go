package foreign

import (
	"context"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

const (
	// maxStoring is how many messages of one subscription may be on their way into the store at once, where the foreign
	// Subscriber hands out more than one at a time.
	maxStoring = 128
	// firstPatience is how long Subscribe waits for the transport.
	firstPatience = 5 * time.Second
	// closePatience bounds ending: what is on its way into the store by then is delivered again.
	closePatience = 2 * time.Second
	// ackPatience is how long after the last acknowledgement the transport may take to hear of it before its subscription ends.
	ackPatience = 500 * time.Millisecond
	// waitLeast and waitMost are the first and the longest wait between two tries.
	waitLeast, waitMost = 50 * time.Millisecond, 5 * time.Second
)

// inbox takes a topic's messages from the transport into the store's queue, as long as the subscription runs that they are
// delivered to.
type inbox struct {
	*backend
	topic                string
	subscribing, storing *state

	first    sync.WaitGroup  // the first try of each pump to subscribe
	stopping context.Context // when it ends, no message is begun with
	stop     context.CancelFunc
}

func newInbox(b *backend, topic string) *inbox {
	log := b.cfg.Logger.With("topic", topic)
	i := &inbox{
		backend: b, topic: topic,
		subscribing: &state{log: log, what: "subscribe"},
		storing:     &state{log: log, what: "put messages of the transport into the store"},
	}
	i.stopping, i.stop = context.WithCancel(b.stopping)
	i.first.Add(b.cfg.Inboxes)
	return i
}

// run has messages taken in until one of the channels closes or the backend does, and returns when what was begun has ended.
func (i *inbox) run(unsubscribed, closing <-chan struct{}) {
	i.enter(i)
	defer i.leave(i)
	var pumps sync.WaitGroup
	for range i.cfg.Inboxes {
		pumps.Go((&pump{inbox: i}).run)
	}
	select {
	case <-unsubscribed:
	case <-closing:
	case <-i.stopping.Done():
	}
	i.stop()
	// A Subscriber that ends neither Subscribe nor the channel with its context must not hold up a shutdown.
	wait(&pumps, 2*closePatience)
}

// awaitFirst waits until every pump has tried to subscribe, for a while.
func (i *inbox) awaitFirst(ctx context.Context) {
	tried := done(&i.first)
	patience := time.NewTimer(firstPatience)
	defer patience.Stop()
	select {
	case <-tried:
	case <-ctx.Done():
	case <-i.stopping.Done():
	case <-patience.C:
	}
}

// pump is one subscription of the foreign Subscriber.
type pump struct {
	*inbox
	work sync.WaitGroup // one for each message that is on its way into the store

	mu      sync.Mutex
	last    *message.Message // the last one that was acknowledged
	ackedAt time.Time
}

// run subscribes, again and again, until the inbox stops.
func (p *pump) run() {
	first := sync.OnceFunc(p.first.Done)
	defer first()
	for pause := waitLeast; ; pause = min(2*pause, waitMost) {
		start := time.Now()
		err := p.pump(first)
		first()
		if p.stopping.Err() != nil {
			return
		}
		p.subscribing.fails(err)
		if time.Since(start) > waitMost {
			pause = waitLeast
		}
		sleep(p.stopping, pause)
	}
}

// pump takes messages of one subscription, until that ends or the inbox stops.
func (p *pump) pump(subscribed func()) error {
	// It outlives stopping: with its context a subscription forgets acknowledgements that are on their way.
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	opening := context.AfterFunc(p.stopping, cancel)
	messages, err := p.subscriber.Subscribe(ctx, p.topic)
	if !opening() || err != nil {
		if err == nil {
			refuse(messages)
		}
		return err
	}
	p.subscribing.works()
	subscribed()
	p.take(messages)
	wait(&p.work, closePatience)
	p.awaitAck()
	cancel()
	refuse(messages)
	return errEnded
}

// take takes messages until the channel closes or the inbox stops.
func (p *pump) take(messages <-chan *message.Message) {
	places := make(chan struct{}, maxStoring)
	for {
		select {
		case <-p.stopping.Done():
			return
		case places <- struct{}{}:
		}
		select {
		case <-p.stopping.Done():
			return
		case msg, open := <-messages:
			if !open {
				return
			}
			p.work.Go(func() {
				p.admit(msg)
				<-places
			})
		}
	}
}

// acked notes that a message was acknowledged.
func (p *pump) acked(msg *message.Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last, p.ackedAt = msg, time.Now()
}

// awaitAck waits until the transport has heard of the last acknowledgement: then it ends the message's context, as Watermill has
// it. Without that a clean shutdown would have the message delivered again.
func (p *pump) awaitAck() {
	p.mu.Lock()
	last, left := p.last, ackPatience-time.Since(p.ackedAt)
	p.mu.Unlock()
	if last == nil || last.Context().Done() == nil {
		return
	}
	sleep(last.Context(), left)
}

// refuse gives back what still comes, until the channel closes, which it should at once.
func refuse(messages <-chan *message.Message) {
	patience := time.NewTimer(closePatience)
	defer patience.Stop()
	for {
		select {
		case msg, open := <-messages:
			if !open {
				return
			}
			msg.Nack()
		case <-patience.C:
			return
		}
	}
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// wait waits for a group, no longer than most.
func wait(group *sync.WaitGroup, most time.Duration) {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-done(group):
	case <-timer.C:
	}
}

// done returns a channel that closes when a group is done.
func done(group *sync.WaitGroup) <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		group.Wait()
	}()
	return ended
}
