package queue

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

// expiredBatch is how many expired leases are dealt with in one step.
const expiredBatch = 100

// maxRenewBatch bounds one renewal.
const maxRenewBatch = 500

// keepLeases renews the leases of messages in flight until ctx ends. A message whose own time is up is not
// renewed: its lease runs out, so that a handler which ignores its context keeps its place, but not its message.
func (c *consumer) keepLeases(ctx context.Context) {
	ticker := time.NewTicker(c.cfg.Lease / 4)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		c.renewAll(ctx)
	}
}

// renewAll renews every lease that needs it. Together that takes no longer than the time until the next round, so that a
// batch which hangs does not cost the others their leases.
func (c *consumer) renewAll(ctx context.Context) {
	deliveries := c.renewable()
	claims := slices.Collect(maps.Keys(deliveries))
	share := c.cfg.Lease / 4 / time.Duration(len(claims)/maxRenewBatch+1)
	for batch := range slices.Chunk(claims, maxRenewBatch) {
		for _, lost := range c.renew(ctx, batch, share) {
			c.lose(deliveries[lost])
		}
	}
}

// renewable returns what needs a longer lease.
func (c *consumer) renewable() map[Held]*delivery {
	c.mu.Lock()
	defer c.mu.Unlock()
	deliveries := map[Held]*delivery{}
	for d := range c.flying {
		fresh := time.Since(d.since) < c.cfg.Lease/4
		if fresh || d.lost || !d.begun.IsZero() && time.Since(d.begun) > c.cfg.AttemptTimeout {
			continue
		}
		deliveries[Held{d.ID, d.Owner}] = d
	}
	return deliveries
}

// renew renews a batch of leases within some time, and returns which of them were lost.
func (c *consumer) renew(ctx context.Context, claims []Held, within time.Duration) (lost []Held) {
	bounded, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	lost, err := c.driver.Renew(bounded, claims, c.cfg.Lease)
	if err != nil && ctx.Err() == nil {
		c.log.Warn("cannot renew leases", "count", len(claims), "error", err)
	}
	return lost
}

// lose ends the context of a delivery that somebody else may have by now, unless it was settled just now, or by a transaction
// of the host's, which may have been committed: its handler is free to go on.
func (c *consumer) lose(d *delivery) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, flying := c.flying[d]; flying && !d.claim.settled.Load() && !d.claim.Completed() {
		d.lost = true
		d.cancel()
	}
}

// keepWatch frees messages whose lease ran out, anybody's, until ctx ends.
func (c *consumer) keepWatch(ctx context.Context) {
	var trouble backoff
	for ctx.Err() == nil {
		n, err := c.freeExpired(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			c.log.Warn("cannot look for expired leases", "error", err)
			pause(ctx, trouble.next(), nil)
		case n < expiredBatch:
			trouble.reset()
			// spread, so that replicas which started together do not look together
			quarter := c.cfg.Lease / 4
			pause(ctx, quarter+rand.N(quarter), nil) //nolint:gosec // spreads load, guards nothing
		}
	}
}

func (c *consumer) freeExpired(ctx context.Context) (int, error) {
	expired, err := c.driver.Expired(ctx, c.topic, expiredBatch)
	if err != nil || len(expired) == 0 {
		return 0, err
	}
	settlements := make([]Settlement, len(expired))
	for i := range expired {
		settlements[i] = Lost(&c.cfg, &expired[i], 1)
	}
	held, err := c.driver.Settle(ctx, settlements)
	if err != nil {
		return 0, err
	}
	freed := 0
	for i := range held {
		if held[i] {
			freed++
		}
	}
	c.log.Warn("attempts ended without a word; their messages are delivered again", "count", freed)
	return len(expired), nil
}
