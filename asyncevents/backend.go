package asyncevents

import (
	"context"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/export"
	"github.com/redrive-go/redrive/retry"
)

// Backend is everything a Service needs from outside, made by the Open or New function of a package below backends. Transport and
// store may come from two different ones: take the struct of the first and replace fields by those of
// the second. See package backends for what each part must hold to.
type Backend struct {
	// Name is the backend's name for logs and metrics, such as "sqlite".
	Name string
	// Publisher hands messages to the transport, durably before Publish returns.
	Publisher message.Publisher
	// Subscriber returns a new consumer of the transport.
	Subscriber func(SubscriberConfig) (message.Subscriber, error)
	// Events remembers what became of every event.
	Events Store
	// DeadLetters keeps the DLQs.
	DeadLetters dlq.Store
	// Jobs keeps retry jobs and settings.
	Jobs retry.Store
	// Exports keeps the records of exports.
	Exports export.Catalog
	// Audit keeps what people did through the management.
	Audit AuditLog
	// Backlog returns how many messages of a topic wait, are delayed and are in flight; nil where the transport cannot
	// tell.
	Backlog func(ctx context.Context, topic string) (Backlog, error)
	// Ping returns nil while store and transport can be used.
	Ping func(ctx context.Context) error
	// Close releases what the backend opened. It is called after everything that uses the backend has ended, and may
	// be called twice.
	Close func() error
}

// Backlog is the state of one topic of a transport.
type Backlog struct {
	// Ready is how many messages could be delivered now.
	Ready int64
	// Delayed is how many wait for their time.
	Delayed int64
	// InFlight is how many are claimed by a consumer.
	InFlight int64
}

// SubscriberConfig configures one consumer of a transport. Zero values mean the documented defaults.
type SubscriberConfig struct {
	// Concurrency is how many messages may be in flight at once. Defaults to 100.
	Concurrency int
	// Lease is how long a claim holds without renewal. A message whose consumer died is delivered again after this
	// time. At least 100 ms. Defaults to 30 s.
	Lease time.Duration
	// AttemptTimeout is when a delivered message's context ends, and its lease is no longer renewed. Defaults to 1 minute.
	AttemptTimeout time.Duration
	// CloseTimeout is how long Close waits for messages in flight to be settled before it cancels their contexts
	// and gives them back. Defaults to 30 s.
	CloseTimeout time.Duration
	// PollInterval is how often the store is asked for messages that no notification announced. Defaults to 1 s.
	PollInterval time.Duration
	// Policy says when a message comes back whose Nack names no delay, and one whose consumer died. Defaults to
	// retry.Policy's defaults.
	Policy retry.Policy
}
