package memory

import (
	"context"
	"math"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/queue"
)

// driver is the queue. It implements queue.Driver.
type driver struct{ *state }

// waiting is an item on its way into a topic.
type waiting struct {
	item  *item
	after time.Duration
}

// Publish appends messages to a topic.
func (d *driver) Publish(ctx context.Context, topic string, messages ...*message.Message) error {
	batch := make([]waiting, len(messages))
	for i, msg := range messages {
		batch[i].item, batch[i].after = newItem(msg)
	}
	if err := d.lock(ctx, "publish to %q", topic); err != nil {
		return err
	}
	defer d.mu.Unlock()
	d.publish(topic, time.Now(), batch...)
	return nil
}

// Claim takes messages that are due.
func (d *driver) Claim(ctx context.Context, p queue.ClaimParams) ([]queue.Claimed, time.Duration, error) {
	claimed, next, err := d.claim(ctx, p)
	return detach(claimed), next, err
}

func (d *driver) claim(ctx context.Context, p queue.ClaimParams) ([]queue.Claimed, time.Duration, error) {
	if err := d.lock(ctx, "claim from %q", p.Topic); err != nil {
		return nil, 0, err
	}
	defer d.mu.Unlock()
	t := d.topic(p.Topic)
	now := time.Now()
	var claimed []queue.Claimed
	for len(claimed) < p.Limit {
		it := t.take(now)
		if it == nil {
			return claimed, t.next(now), nil
		}
		it.owner, it.claimedAt = p.Owner, now
		it.attempt++
		t.leased.add(it, now.Add(p.Lease))
		d.held[it.id] = it
		claimed = append(claimed, it.claimed())
	}
	return claimed, -1, nil
}

// Settle ends claims.
func (d *driver) Settle(ctx context.Context, settlements []queue.Settlement) ([]bool, error) {
	if err := d.lock(ctx, "settle messages"); err != nil {
		return nil, err
	}
	defer d.mu.Unlock()
	now := time.Now()
	held := make([]bool, len(settlements))
	for i := range settlements {
		held[i] = d.settle(&settlements[i], now)
	}
	return held, nil
}

// Renew extends leases.
func (d *driver) Renew(ctx context.Context, claims []queue.Held, lease time.Duration) (lost []queue.Held, err error) {
	if err := d.lock(ctx, "renew leases"); err != nil {
		return nil, err
	}
	defer d.mu.Unlock()
	end := time.Now().Add(lease)
	for _, c := range claims {
		if it := d.held[c.ID]; it != nil && it.owner == c.Owner {
			it.topic.leased.move(it, end)
		} else {
			lost = append(lost, c)
		}
	}
	return lost, nil
}

// Expired returns messages whose lease has run out.
func (d *driver) Expired(ctx context.Context, topic string, limit int) ([]queue.Claimed, error) {
	expired, err := d.expired(ctx, topic, limit)
	return detach(expired), err
}

func (d *driver) expired(ctx context.Context, topic string, limit int) ([]queue.Claimed, error) {
	if err := d.lock(ctx, "look for expired leases of %q", topic); err != nil {
		return nil, err
	}
	defer d.mu.Unlock()
	var expired []queue.Claimed
	for _, it := range d.topic(topic).leased.woken(time.Now(), limit) {
		expired = append(expired, it.claimed())
	}
	return expired, nil
}

// Wakes announces messages.
func (d *driver) Wakes() *queue.Bell { return &d.bell }

func (d *driver) backlog(ctx context.Context, topic string) (asyncevents.Backlog, error) {
	if err := d.lock(ctx, "count the backlog of %q", topic); err != nil {
		return asyncevents.Backlog{}, err
	}
	defer d.mu.Unlock()
	t := d.topic(topic)
	due := len(t.delayed.woken(time.Now(), math.MaxInt))
	return asyncevents.Backlog{
		Ready:    int64(t.ready.len() + due),
		Delayed:  int64(len(t.delayed) - due),
		InFlight: int64(len(t.leased)),
	}, nil
}

// topic returns the topic of a name, made at its first use. The caller holds the lock, here and below.
func (s *state) topic(name string) *topic {
	t := s.topics[name]
	if t == nil {
		t = &topic{name: name}
		s.topics[name] = t
	}
	return t
}

// publish puts items that are new to the queue into a topic.
func (s *state) publish(name string, now time.Time, batch ...waiting) {
	t := s.topic(name)
	news := false
	for _, w := range batch {
		s.lastMessage++
		w.item.id = s.lastMessage
		news = t.put(w.item, now, w.after) || news
	}
	if news {
		s.bell.Ring(name)
	}
}

// settle ends one claim, and returns false where it was lost before.
func (s *state) settle(settlement *queue.Settlement, now time.Time) (held bool) {
	it := s.held[settlement.ID]
	if it == nil || it.owner != settlement.Owner {
		return false
	}
	delete(s.held, it.id)
	t := it.topic
	t.leased.remove(it)
	switch settlement.Outcome {
	case queue.Later:
		if settlement.Metadata != nil {
			it.metadata, it.history = settlement.Metadata, settlement.History
		}
		if t.put(it, now, settlement.After) {
			s.bell.Ring(t.name)
		}
	case queue.Unused:
		t.giveBack(it)
		s.bell.Ring(t.name)
	case queue.Done:
	}
	return true
}
