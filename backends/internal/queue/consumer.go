package queue

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/gather"
	"github.com/redrive-go/redrive/retry"
)

// maxSettleBatch bounds one settlement transaction.
const maxSettleBatch = 500

// leaveTime is how much longer than CloseTimeout a shutdown may take, to give back what handlers did not end.
const leaveTime = 2 * time.Second

// consumer is one subscription.
type consumer struct {
	driver Driver
	cfg    asyncevents.SubscriberConfig
	log    *slog.Logger
	topic  string

	out       chan *message.Message
	places    *places
	unsettled chan struct{} // one token a message that its handler is done with
	settling  *gather.Gatherer[Settlement]

	stopping context.Context // ends with the subscription
	stop     context.CancelFunc
	base     context.Context // parent of all message contexts: the subscription's values without its end
	kill     context.CancelFunc
	store    context.Context // for what has to reach the store; ends when a shutdown has to do without it
	leave    context.CancelFunc

	mu     sync.Mutex
	flying map[*delivery]struct{}
	flight sync.WaitGroup
}

// delivery is a message in flight.
type delivery struct {
	Claimed
	since time.Time // by this process's clock; ClaimedAt is by the store's
	claim *Claim
	msg   *message.Message // nil before it is its turn to be handed out

	// Guarded by consumer.mu.
	begun  time.Time // start of its time limit; zero before its turn
	cancel context.CancelFunc
	lost   bool // somebody else may have the message by now
}

func newConsumer(ctx context.Context, s *Subscriber, topic string) *consumer {
	c := &consumer{
		driver: s.driver, cfg: s.cfg, topic: topic,
		log:       s.log.With("topic", topic),
		out:       make(chan *message.Message),
		places:    newPlaces(s.cfg.Concurrency),
		unsettled: make(chan struct{}, s.cfg.Concurrency),
		flying:    map[*delivery]struct{}{},
	}
	c.settling = gather.New(maxSettleBatch, 1, c.flushSettlements)
	c.stopping, c.stop = context.WithCancel(context.Background())
	c.base, c.kill = context.WithCancel(context.WithoutCancel(ctx))
	c.store, c.leave = context.WithCancel(context.Background())
	return c
}

// run delivers until one of the channels closes, then drains.
func (c *consumer) run(unsubscribed, closing <-chan struct{}) {
	go func() {
		select {
		case <-unsubscribed:
		case <-closing:
		}
		c.stop()
	}()
	var keeping, claiming sync.WaitGroup
	keepers, endKeepers := context.WithCancel(context.Background())
	defer endKeepers()
	keeping.Go(func() { c.keepLeases(keepers) })
	keeping.Go(func() { c.keepWatch(c.stopping) })
	claiming.Go(func() { (&claimer{consumer: c}).claimAll(c.stopping) })
	c.handOutAll(c.stopping)
	close(c.out)
	c.drain(func() {
		claiming.Wait()
		c.giveBack(c.places.clear())
		c.flight.Wait()
		endKeepers()
		keeping.Wait()
	})
}

// handOutAll sends claimed messages to the subscriber, each when it has a place, until ctx ends.
func (c *consumer) handOutAll(ctx context.Context) {
	restart := time.NewTicker(max(c.cfg.AttemptTimeout/10, time.Millisecond))
	defer restart.Stop()
	stale := time.NewTicker(patienceAhead / 2)
	defer stale.Stop()
	for ctx.Err() == nil {
		if d := c.places.take(); d != nil {
			if !c.offer(ctx, d, restart.C) {
				c.giveBack(append([]*delivery{d}, c.places.clear()...))
				c.places.leave()
			}
			continue
		}
		select {
		case <-ctx.Done():
		case <-c.places.work:
		case <-stale.C:
			if c.places.waits() > patienceAhead {
				c.giveBack(c.places.clear())
			}
		}
	}
}

// giveBack returns messages that no handler has seen, as never started.
func (c *consumer) giveBack(unseen []*delivery) {
	for _, d := range unseen {
		c.settle(d, Settlement{ID: d.ID, Owner: d.Owner, Outcome: Unused})
	}
}

// offer waits until the subscriber takes a message, and says whether it did, before ctx ended and within AttemptTimeout. Its
// time limit does not run meanwhile: it is set anew at each tick of restart, and its lease is renewed, because a
// subscriber that takes messages one by one may need longer than that. A message whose claim was lost while it waited
// is left out.
func (c *consumer) offer(ctx context.Context, d *delivery, restart <-chan time.Time) bool {
	d.msg = messageOf(d.Claimed)
	for c.begin(d) {
		select {
		case c.out <- d.msg:
			go c.await(d)
			return true
		case <-ctx.Done():
			return false
		case <-restart:
			if time.Since(d.since) > c.cfg.AttemptTimeout { // another replica may have more time for it
				return false
			}
		}
	}
	c.forget(d)
	c.places.leave()
	return true
}

func (c *consumer) newDeliveries(claimed []Claimed) []*delivery {
	now := time.Now()
	deliveries := make([]*delivery, len(claimed))
	c.flight.Add(len(claimed))
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range claimed {
		d := &delivery{Claimed: claimed[i], since: now, cancel: func() {}}
		d.claim = &Claim{ID: d.ID, Owner: d.Owner, Driver: c.driver}
		c.flying[d] = struct{}{}
		deliveries[i] = d
	}
	return deliveries
}

// begin starts the time limit of a delivery, again if need be. It returns false when the claim was lost before.
func (c *consumer) begin(d *delivery) bool {
	ctx, cancel := context.WithTimeout(c.base, c.cfg.AttemptTimeout)
	d.msg.SetContext(withClaim(ctx, d.claim))
	c.mu.Lock()
	defer c.mu.Unlock()
	d.cancel() // of the time limit before
	d.cancel, d.begun = cancel, time.Now()
	if d.lost {
		cancel()
	}
	return !d.lost
}

// messageOf builds the message that a handler sees.
func messageOf(claimed Claimed) *message.Message {
	msg := message.NewMessage(claimed.UUID, claimed.Payload)
	// A copy: a handler that ended late may write to it while the shutdown gives the message back as it was.
	maps.Copy(msg.Metadata, claimed.Metadata)
	msg.Metadata[retry.MetadataAttempt] = strconv.Itoa(claimed.Attempt)
	if claimed.Redrives > 0 {
		msg.Metadata[retry.MetadataRedrives] = strconv.Itoa(claimed.Redrives)
	}
	if claimed.History != "" {
		msg.Metadata[retry.MetadataHistory] = claimed.History
	}
	if claimed.Damage != nil {
		msg.Metadata[retry.MetadataDamage] = claimed.Damage.Error()
	}
	return msg
}

// await settles a message when its handler is done with it, unless a store did so together with the outcome.
func (c *consumer) await(d *delivery) {
	select {
	case <-d.msg.Acked():
	case <-d.msg.Nacked():
	case <-c.base.Done(): // the shutdown's patience is over
	}
	defer c.places.leave()
	if d.claim.settled.Load() {
		c.forget(d)
		return
	}
	c.settle(d, c.outcome(d))
}

// outcome is how a delivery ended. What its handler said counts, also when it said so at the last moment.
func (c *consumer) outcome(d *delivery) Settlement {
	select {
	case <-d.msg.Acked():
		return Settlement{ID: d.ID, Owner: d.Owner, Outcome: Done}
	default:
	}
	select {
	case <-d.msg.Nacked():
		return c.again(d)
	default:
		return unfinished(&c.cfg, &d.Claimed, 1, errAbandoned)
	}
}

// again is the settlement of a nacked message: with the metadata that its handler left on it, after the delay that
// stands there, or the policy's.
func (c *consumer) again(d *delivery) Settlement {
	wait, ok := DelayOf(d.msg.Metadata)
	if !ok {
		wait = c.cfg.Policy.Backoff(d.Attempt)
	}
	return LaterFrom(d.ID, d.Owner, wait, d.msg.Metadata)
}

// settle ends a delivery. Its place is free at once: the next message is handed out while this one is settled. unsettled
// keeps the two from drifting apart when the store is slow. After the end of the subscription no next message is handed out, and
// nothing waits: least of all the shutdown.
func (c *consumer) settle(d *delivery, s Settlement) {
	select {
	case c.unsettled <- struct{}{}:
	case <-c.stopping.Done():
	}
	c.settlingOf(d).Send(s, func(err error) {
		if err != nil {
			go c.settleAgain(d, s)
			return
		}
		c.settled(d)
	})
}

// settlingOf is what settles a delivery: together with others, unless the host may hold its message.
func (c *consumer) settlingOf(d *delivery) *gather.Gatherer[Settlement] {
	if d.claim.Touched() {
		return gather.New(1, 1, c.flushSettlements)
	}
	return c.settling
}

func (c *consumer) settled(d *delivery) {
	select {
	case <-c.unsettled:
	default: // it did not wait for a token
	}
	c.forget(d)
}

// settleAgain tries until the store answers or the claim cannot hold any longer. A settlement that is lost in the end
// means a second delivery, never a lost message.
func (c *consumer) settleAgain(d *delivery, s Settlement) {
	defer c.settled(d)
	var trouble backoff
	for giveUp := time.Now().Add(c.cfg.Lease); ; {
		pause(c.store, trouble.next(), nil)
		err := c.settlingOf(d).Do(s)
		if err == nil || c.store.Err() != nil {
			return
		}
		if time.Now().After(giveUp) {
			c.log.Error("cannot settle a message; it will be delivered again", "message_id", d.UUID, "error", err)
			return
		}
	}
}

// forget ends a delivery's context: nothing is left to do for it.
func (c *consumer) forget(d *delivery) {
	c.mu.Lock()
	delete(c.flying, d)
	d.cancel()
	c.mu.Unlock()
	c.flight.Done()
}

func (c *consumer) flushSettlements(batch []Settlement) []error {
	held, err := c.driver.Settle(c.store, batch)
	var some *SomeError
	if err != nil && !errors.As(err, &some) {
		return gather.Fail(len(batch), err)
	}
	for i := range held {
		if !held[i] {
			c.log.Warn("a message's claim was lost before it was settled; it is delivered again", "id", batch[i].ID)
		}
	}
	if some != nil {
		return some.Errs
	}
	return nil
}

// drain waits until finish returns, at most CloseTimeout. Then it ends the contexts of what is in flight, which gives that back,
// and waits for another moment. A store that does not answer until then is left: its leases run out.
func (c *consumer) drain(finish func()) {
	defer c.leave()
	defer c.kill()
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		finish()
	}()
	if within(c.cfg.CloseTimeout, finished) {
		return
	}
	c.log.Warn("giving back messages whose handlers did not end in time", "count", c.inFlight())
	c.kill()
	if !within(leaveTime, finished) {
		c.log.Error("the store does not answer: messages are delivered again when their leases have run out", "count", c.inFlight())
	}
}

// within waits until done, at most for a while, and returns whether it is.
func within(while time.Duration, done <-chan struct{}) bool {
	patience := time.NewTimer(while)
	defer patience.Stop()
	select {
	case <-done:
		return true
	case <-patience.C:
		return false
	}
}

// inFlight is how many messages are not settled.
func (c *consumer) inFlight() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.flying)
}

// pause waits for d, a ring, or the end of ctx.
func pause(ctx context.Context, d time.Duration, rings <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-rings:
	}
}

// NewOwner names a claim. A name that is used twice at once would break the fence, 63 random bits make that as good as
// impossible.
func NewOwner() int64 {
	return rand.Int64N(1<<63-1) + 1 //nolint:gosec // not a secret
}
