package dlq

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/retry"
)

// MiddlewareConfig configures Middleware. Nil and zero values mean the documented defaults.
type MiddlewareConfig struct {
	// Policy says how often a message is tried and how long it waits in between, on transports that count attempts:
	// those of this module. On any other the first failure is the last. Defaults to retry.Policy's defaults.
	Policy retry.Policy
	// ShouldDeadLetter is asked about each failure, and false hands the error on to the router as if the middleware
	// were not there. A panic arrives as a *PanicError. It is not asked about context.Canceled at a shutdown, which is
	// always handed on. Defaults to true for all others.
	ShouldDeadLetter func(error) bool
	// Logger is told of each new dead letter. Defaults to slog.Default().
	Logger *slog.Logger
}

func (c *MiddlewareConfig) withDefaults() MiddlewareConfig {
	var out MiddlewareConfig
	if c != nil {
		out = *c
	}
	out.Policy = out.Policy.WithDefaults()
	if out.ShouldDeadLetter == nil {
		out.ShouldDeadLetter = func(error) bool { return true }
	}
	if out.Logger == nil {
		out.Logger = slog.Default()
	}
	return out
}

// Validate returns every fault of the configuration with its defaults applied, joined, each naming its field and limit.
func (c *MiddlewareConfig) Validate() error {
	if err := c.withDefaults().Policy.Validate(); err != nil {
		return fmt.Errorf("Policy: %w", err)
	}
	return nil
}

// Middleware returns a router middleware that puts messages whose handler failed for the last time into the DLQ named
// queue. It serves with any Watermill Pub/Sub. Place it outside of other middlewares that return errors.
//
//   - A nil error passes through, with the messages that the handler produced.
//   - An error or a panic before the last attempt is recorded in the message's metadata, together with Watermill's
//     delay, and returned: the router nacks, and the transport delivers again after the wait.
//   - At the last attempt, and after retry.Permanent, the message is stored in the DLQ and acknowledged. If it cannot be
//     stored, it is nacked with a delay, and stored at a later delivery without running the handler again.
//   - context.Canceled at a shutdown says nothing about the message, and is returned.
//   - A message that could not be decoded, or whose attempts were all used up by crashes, is stored without a call.
func Middleware(store Store, queue string, cfg *MiddlewareConfig) (message.HandlerMiddleware, error) {
	faults := []error{cfg.Validate()}
	if store == nil {
		faults = append(faults, errors.New("store must not be nil"))
	}
	if queue == "" {
		faults = append(faults, errors.New("queue must not be empty"))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("dlq: middleware: %w", err)
	}
	p := &poison{store: store, queue: queue, config: cfg.withDefaults()}
	return func(next message.HandlerFunc) message.HandlerFunc {
		return func(msg *message.Message) ([]*message.Message, error) { return p.handle(msg, next) }
	}, nil
}

type poison struct {
	store  Store
	queue  string
	config MiddlewareConfig
}

func (p *poison) handle(msg *message.Message, next message.HandlerFunc) ([]*message.Message, error) {
	// Middlewares within next may replace the message's context by one that they cancel when they return.
	ctx := msg.Context()
	if failure, hopeless := p.hopeless(msg); hopeless {
		return nil, p.bury(ctx, msg, failure, errors.New(failure.Message))
	}
	var produced []*message.Message
	startedAt := time.Now()
	err := Call(func() (err error) {
		produced, err = next(msg)
		return err
	})
	if err == nil {
		return produced, nil
	}
	return nil, p.fail(ctx, msg, startedAt, err)
}

// hopeless is whether a message goes to the DLQ without being tried (again), and why.
func (p *poison) hopeless(msg *message.Message) (failure Failure, is bool) {
	if failure, known := KnownFailure(msg); known {
		return failure, true
	}
	if n := retry.DeliveryOf(msg).Attempt; n > p.config.Policy.MaxAttempts {
		return Failure{Type: TypeLost, Message: fmt.Sprintf(
			"all %d attempts are used up: the process ended inside the handler, or its lease ran out",
			p.config.Policy.MaxAttempts)}, true
	}
	return Failure{}, false
}

// fail decides what follows a failed attempt.
func (p *poison) fail(ctx context.Context, msg *message.Message, startedAt time.Time, err error) error {
	shutdown := errors.Is(err, context.Canceled) && errors.Is(ctx.Err(), context.Canceled)
	if shutdown || !p.config.ShouldDeadLetter(err) {
		return err
	}
	failure := FailureOf(err)
	recordAttempt(msg, startedAt, failure)
	if countsAttempts(msg) {
		if wait, again := p.config.Policy.Next(retry.DeliveryOf(msg).Attempt, err); again {
			postpone(msg, wait)
			return err
		}
	}
	return p.bury(ctx, msg, failure, err)
}

// bury stores a message in the DLQ, and returns nil when it may be acknowledged.
func (p *poison) bury(ctx context.Context, msg *message.Message, failure Failure, cause error) error {
	entry := EntryOf(msg, p.queue, failure)
	entry.Topic = message.SubscribeTopicFromCtx(ctx)
	err := add(ctx, p.store, entry)
	switch {
	case errors.Is(err, ErrNotHeld): // somebody else has the message now, and decides
		return nil
	case err != nil:
		p.keep(ctx, msg, failure)
		return errors.Join(cause, fmt.Errorf("dlq: add message %s to %s: %w", entry.MessageID, p.queue, err))
	}
	p.config.Logger.WarnContext(ctx, "message dead-lettered", "queue", p.queue, "topic", entry.Topic,
		"message_id", entry.MessageID, "correlation_id", entry.CorrelationID, "attempts", len(entry.Attempts),
		"error_type", failure.Type)
	return nil
}

// keep prepares a message for coming back because the DLQ cannot be written. Where the transport delivers again at once
// whatever the metadata say, the wait is spent here: otherwise the message would go round in a hot loop.
func (p *poison) keep(ctx context.Context, msg *message.Message, failure Failure) {
	wait := p.config.Policy.Backoff(max(retry.DeliveryOf(msg).Attempt, 1))
	postpone(msg, wait)
	if countsAttempts(msg) {
		KeepFailure(msg, failure)
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
