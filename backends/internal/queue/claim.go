package queue

import (
	"context"
	"sync/atomic"
)

// Claim is the hold of a consumer on one delivered message. It travels in the message's context, so that a store
// which shares its database with the queue can settle the message in a transaction of its own.
type Claim struct {
	// ID and Owner name the claim within Driver.
	ID, Owner int64
	// Driver is the store that made it.
	Driver Driver

	settled   atomic.Bool
	touched   atomic.Bool
	completed atomic.Bool
}

// MarkTouched notes that a transaction of the host's works on the message, and may hold it until it ends.
func (c *Claim) MarkTouched() { c.touched.Store(true) }

// Touched is whether MarkTouched was called. Whoever settles such a claim may have to wait for the host, and nobody else
// should have to.
func (c *Claim) Touched() bool { return c.touched.Load() }

// MarkCompleted notes that a transaction of the host's has settled the claim, and may be open still.
func (c *Claim) MarkCompleted() { c.completed.Store(true) }

// Completed is whether MarkCompleted was called.
func (c *Claim) Completed() bool { return c.completed.Load() }

// MarkSettled notes that a transaction which settled the claim was committed, or found it lost: the engine then
// leaves the message alone when it is acknowledged.
func (c *Claim) MarkSettled() { c.settled.Store(true) }

type claimKey struct{}

// ClaimOf returns the claim on the message whose context is ctx, whichever driver made it. It may have been settled or
// lost meanwhile: the driver's own fence tells.
func ClaimOf(ctx context.Context) (*Claim, bool) {
	c, ok := ctx.Value(claimKey{}).(*Claim)
	return c, ok
}

// ClaimFrom is ClaimOf for a claim that d made.
func ClaimFrom(ctx context.Context, d Driver) (*Claim, bool) {
	c, ok := ClaimOf(ctx)
	if !ok || c.Driver != d {
		return nil, false
	}
	return c, true
}

func withClaim(ctx context.Context, c *Claim) context.Context {
	return context.WithValue(ctx, claimKey{}, c)
}
