// Package queue is the engine behind every backend that keeps its own queue: it turns a Driver, which only stores,
// into a Watermill Publisher and Subscriber.
//
// A Subscriber claims messages in batches, about as many as it has free places, and hands each to its channel. The
// claim is committed before a handler sees the message and counts the attempt, so that a start which kills the process
// is counted too. An Ack removes the message; a Nack reschedules it, with the metadata that the handler left on it
// and the delay that stands there. Both are fenced by the claim: whoever lost its lease can change nothing.
// Leases are renewed while a handler runs, until its context ends; a lease that runs out anyway is an attempt that ended
// without a word, and is recorded as one.
//
// Files: driver.go what a store must do; publisher.go and subscriber.go the two Watermill sides; consumer.go one
// subscription, places.go what it has in hand, claimer.go what it claims; keeper.go renewal and expiry; claim.go how a
// store finds the claim of the message it settles; bell.go wake-up within the process; delay.go Watermill's delay keys.
package queue
