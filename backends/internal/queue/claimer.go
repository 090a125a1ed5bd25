package queue

import (
	"context"
	"time"
)

// pace is the least time between two claims while more messages wait than there are places. Claims of many messages
// cost less than many claims, and nobody waits: what is handed out meanwhile was claimed ahead.
const pace = 5 * time.Millisecond

// patienceAhead is how long messages that were claimed ahead may wait for a place before they are given back: handlers
// have become slower than they were, and another replica may have a place.
const patienceAhead = 200 * time.Millisecond

// claimer claims messages for a consumer.
type claimer struct {
	*consumer
	trouble backoff
	// departures is how places become free.
	departures flow
}

// claimAll claims until ctx ends.
func (c *claimer) claimAll(ctx context.Context) {
	rings, stopListening := c.driver.Wakes().Listen(c.topic)
	defer stopListening()
	for ctx.Err() == nil {
		wanted := c.places.wanted()
		if wanted <= 0 {
			select {
			case <-ctx.Done():
			case <-c.places.room:
			}
			continue
		}
		c.claim(ctx, wanted, rings)
	}
}

// claim claims once, and waits for as long as another claim would be of no use.
func (c *claimer) claim(ctx context.Context, wanted int, rings <-chan struct{}) {
	began := time.Now()
	// A claim that is under way at the end is waited for: one that is broken off may have been made all the same, and costs its
	// messages an attempt.
	claimed, next, err := c.driver.Claim(c.base, ClaimParams{
		Topic: c.topic, Owner: NewOwner(), Limit: wanted, Lease: c.cfg.Lease,
	})
	if err != nil {
		c.log.Warn("cannot claim messages", "error", err)
		pause(ctx, c.trouble.next(), nil)
		return
	}
	c.trouble.reset()
	if len(claimed) > 0 {
		c.places.add(c.newDeliveries(claimed))
	}
	if len(claimed) == wanted {
		c.places.claimAhead(c.foresee(began))
		pause(ctx, pace-time.Since(began), nil)
		return
	}
	c.places.claimAhead(0)
	wait := c.cfg.PollInterval
	if next >= 0 {
		wait = min(wait, max(next, time.Millisecond))
	}
	pause(ctx, wait, rings)
}

// foresee returns how many places become free while a claim is made, if it goes on as before.
func (c *claimer) foresee(began time.Time) int {
	now := time.Now()
	rate := c.departures.rate(c.places.departures(), now)
	return int(rate * (now.Sub(began) + pace).Seconds())
}
