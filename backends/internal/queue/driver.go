package queue

import (
	"context"
	"errors"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/retry"
)

// ErrClosed is returned by a Publisher, Subscriber or Driver that was closed.
var ErrClosed = errors.New("closed")

// SomeError is returned by a Driver's Settle that could end some of the claims, and not the others.
type SomeError struct {
	// Errs is nil for each claim that was ended or lost before, or why it could not be ended.
	Errs []error
}

// Error returns the first of the errors: the others are mostly the same.
func (e *SomeError) Error() string {
	for _, err := range e.Errs {
		if err != nil {
			return err.Error()
		}
	}
	return "no error"
}

// Unwrap returns the errors.
func (e *SomeError) Unwrap() []error { return e.Errs }

// Driver is what a store must be able to do to carry a queue. All durations count from the store's own clock. Every
// method may be called from any number of goroutines, and returns soon after its context has ended. Messages of a topic
// are handed out oldest first, but no order is promised.
type Driver interface {
	// Publish appends messages to a topic; all of them, durably, or none. A message whose metadata carries Watermill's
	// delay is not handed out before its time.
	Publish(ctx context.Context, topic string, messages ...*message.Message) error

	// Claim takes up to limit messages that are due and not held, counts an attempt for each, and holds them for the
	// lease under the name owner, all in one step. When it returns fewer than limit, next is the time until the earliest
	// delayed message is due, or negative when there is none.
	Claim(ctx context.Context, params ClaimParams) (claimed []Claimed, next time.Duration, err error)

	// Settle ends claims, each as its Outcome says. held[i] is false where claims[i] was lost before, and nothing
	// happened to that message. With an error nothing happened to any, unless it is a *SomeError.
	Settle(ctx context.Context, settlements []Settlement) (held []bool, err error)

	// Renew extends the leases of claims that still stand to lease from now, in one step, and returns those that were lost.
	Renew(ctx context.Context, claims []Held, lease time.Duration) (lost []Held, err error)

	// Expired returns up to limit messages of a topic whose lease has run out. Their dead owner's claim still stands:
	// settling it on its behalf is what frees them.
	Expired(ctx context.Context, topic string, limit int) ([]Claimed, error)

	// Wakes announces messages of a topic that became due in this process. See Bell.
	Wakes() *Bell
}

// ClaimParams say what Claim takes.
type ClaimParams struct {
	// Topic is the topic.
	Topic string
	// Owner names the claim: it is random, never 0, and new for each call, so that a consumer which lost a message and
	// claimed it again cannot settle the new claim through the old one.
	Owner int64
	// Limit is the largest number of messages taken. It is positive.
	Limit int
	// Lease is how long the claim holds.
	Lease time.Duration
}

// Held names the claim on a message.
type Held struct {
	// ID names the message within the store.
	ID int64
	// Owner names the claim that holds it.
	Owner int64
}

// Claimed is a message that is held by a consumer.
type Claimed struct {
	// ID names the message within the store.
	ID int64
	// Owner names the claim that holds it.
	Owner int64
	// UUID, Payload and Metadata are the message's. Metadata holds no key that describes the delivery.
	UUID     string
	Payload  []byte
	Metadata message.Metadata
	// Attempt is the number of this claim since the last redrive, from 1; Redrives how often the message was moved
	// back; History the attempts that ended, as JSON.
	Attempt  int
	Redrives int
	History  string
	// ClaimedAt is when the claim was made.
	ClaimedAt time.Time
	// Damage is why the message could not be decoded; nil for a sound one. Metadata is nil then.
	Damage error
}

// Outcome is how a claim ends.
type Outcome int

// The outcomes of a claim.
const (
	// Done removes the message.
	Done Outcome = iota
	// Later makes the message due after Settlement.After, with Settlement.Metadata.
	Later
	// Unused makes the message due now and takes back the attempt that the claim counted: no handler saw it.
	Unused
)

// Settlement ends one claim.
type Settlement struct {
	// ID and Owner name the claim.
	ID, Owner int64
	// Outcome is how it ends.
	Outcome Outcome
	// After is the time until the message is due again; for Later.
	After time.Duration
	// Metadata is the message's metadata from now on, without keys that describe the delivery, and History the
	// attempts that ended, as JSON; for Later. A nil Metadata leaves both as they are.
	Metadata message.Metadata
	History  string
}

// LaterFrom returns the settlement that reschedules a message with the metadata that msg now carries.
func LaterFrom(id, owner int64, after time.Duration, metadata message.Metadata) Settlement {
	own, history := SplitMetadata(metadata)
	return Settlement{ID: id, Owner: owner, Outcome: Later, After: after, Metadata: own, History: history}
}

// SplitMetadata divides a delivered message's metadata into what is the message's own and the history of its
// attempts. What else describes the delivery is dropped: the store keeps it in columns of its own.
func SplitMetadata(metadata message.Metadata) (own message.Metadata, history string) {
	own = make(message.Metadata, len(metadata))
	for k, v := range metadata {
		if IsOwn(k) {
			own[k] = v
		}
	}
	return own, metadata[retry.MetadataHistory]
}

// IsOwn is whether a key of metadata is the message's own, rather than one that describes its delivery.
func IsOwn(key string) bool {
	switch key {
	case retry.MetadataHistory, retry.MetadataAttempt, retry.MetadataRedrives, delayedUntilKey, delayedForKey:
		return false
	}
	return true
}
