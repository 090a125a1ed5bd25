package asyncevents

import (
	"context"
	"errors"
	"fmt"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/export"
	"github.com/redrive-go/redrive/retry"
)

// Backend is everything a Service needs from outside, made by the Open or New function of a package below backends.
// Transport and store may come from two different ones: take the struct of the first and replace fields by those of
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
	// Transactions is Events within the host's own transactions; nil where the backend cannot do that.
	Transactions TxStore
	// DeadLetters keeps the DLQs.
	DeadLetters dlq.Store
	// Jobs keeps retry jobs and settings.
	Jobs retry.Store
	// Exports keeps the records of exports.
	Exports export.Catalog
	// Audit keeps what people did through the management.
	Audit AuditLog
	// Traffic remembers what went through the queues; nil where the backend does not, and then the pages show no history.
	Traffic TrafficLog
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
	// Estimated is whether one of them is a large number that was estimated rather than counted.
	Estimated bool
}

// validate names every part that is missing.
func (b *Backend) validate() error {
	if b == nil {
		return errors.New("backend must not be nil")
	}
	var faults []error
	for _, part := range []struct {
		name    string
		missing bool
	}{
		{"Subscriber", b.Subscriber == nil}, {"Events", b.Events == nil}, {"DeadLetters", b.DeadLetters == nil},
		{"Jobs", b.Jobs == nil}, {"Exports", b.Exports == nil}, {"Audit", b.Audit == nil},
	} {
		if part.missing {
			faults = append(faults, fmt.Errorf("Backend.%s must not be nil", part.name))
		}
	}
	return errors.Join(faults...)
}
