package apart

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/asyncevents"
)

const (
	// acceptTime is how long all that is done for one event may take together: nobody waits for five seconds.
	acceptTime = 4600 * time.Millisecond
	// withdrawTime is what is left of that at least to take back what could not be handed to the transport.
	withdrawTime = 300 * time.Millisecond
)

// ErrNotSent marks an error of a Transport's Send after which the message certainly is not there.
var ErrNotSent = errors.New("not sent")

// Transport is what events are handed to.
type Transport interface {
	// Ready returns nil while Send is likely to succeed.
	Ready() error
	// Send returns when a message is durable, or at the deadline of ctx. An error that wraps ErrNotSent says that it is not there; after any other, it may be.
	Send(ctx context.Context, topic string, msg *message.Message) error
}

// Events is a store of events that hands their messages to a Transport.
type Events struct {
	asyncevents.Store
	// Transport takes the messages.
	Transport Transport
	// Outbox has every event go through the store.
	Outbox bool
	// Stored is called with the topic of an event that went into the store's queue.
	Stored func(topic string) error
	// Log is the host's logger.
	Log *slog.Logger
}

// Accept implements asyncevents.Store.
func (e *Events) Accept(ctx context.Context, a asyncevents.Acceptance) (asyncevents.Receipt, error) {
	switch {
	case a.Message == nil:
		return e.Store.Accept(ctx, a)
	case e.Outbox || !a.Generated:
		return e.store(ctx, a)
	}
	return e.send(ctx, a)
}

// store accepts an event through the store's queue, which tells for sure whether the id is known.
func (e *Events) store(ctx context.Context, a asyncevents.Acceptance) (asyncevents.Receipt, error) {
	if !e.Outbox {
		if err := e.Transport.Ready(); err != nil {
			return asyncevents.Receipt{}, fmt.Errorf("accept event %s: %w", a.CorrelationID, err)
		}
	}
	receipt, err := e.Store.Accept(ctx, a)
	if err == nil && !receipt.Known {
		e.passOn(ctx, a.Topic)
	}
	return receipt, err
}

// passOn has what was stored go on to the transport. The event is accepted by then, so trouble is told to the host and not the
// client; whatever is stored next, and whoever consumes the topic, tries again.
func (e *Events) passOn(ctx context.Context, topic string) {
	if err := e.Stored(topic); err != nil {
		e.Log.WarnContext(ctx, "accepted events wait in the store", "topic", topic, "error", err)
	}
}

// AcceptAll implements asyncevents.Store. The events go through the store's queue, whose one transaction makes them durable together;
// from there they go on to the transport, many at a time.
func (e *Events) AcceptAll(ctx context.Context, acceptances []asyncevents.Acceptance) ([]asyncevents.Receipt, error) {
	if !e.Outbox {
		if err := e.Transport.Ready(); err != nil {
			return nil, fmt.Errorf("accept %d events: %w", len(acceptances), err)
		}
	}
	receipts, err := e.Store.AcceptAll(ctx, acceptances)
	if err != nil {
		return nil, err
	}
	for _, topic := range topicsOf(acceptances) {
		e.passOn(ctx, topic)
	}
	return receipts, nil
}

// topicsOf are those on which messages are published.
func topicsOf(acceptances []asyncevents.Acceptance) (topics []string) {
	for i := range acceptances {
		if a := &acceptances[i]; a.Message != nil && !slices.Contains(topics, a.Topic) {
			topics = append(topics, a.Topic)
		}
	}
	return topics
}

// send records an event and hands its message to the transport. The record comes first, so that the outcome finds it. Nobody has
// heard of its id yet, so one that could not be sent is as if it had never been.
func (e *Events) send(ctx context.Context, a asyncevents.Acceptance) (receipt asyncevents.Receipt, err error) {
	if err := e.Transport.Ready(); err != nil {
		return receipt, fmt.Errorf("accept event %s: %w", a.CorrelationID, err)
	}
	until := time.Now().Add(acceptTime)
	record := a
	record.Message = nil
	// A known one was recorded by this very call: the answer to the commit was lost, and it was tried again.
	if _, err := e.Store.Accept(ctx, record); err != nil {
		return receipt, err
	}
	if err = e.sendUntil(ctx, until, a); err == nil {
		return receipt, nil
	}
	if errors.Is(err, ErrNotSent) {
		e.withdraw(ctx, a.CorrelationID)
	}
	return receipt, fmt.Errorf("accept event %s: %w", a.CorrelationID, err)
}

// sendUntil sends the message of an event, whoever waits for it: a caller that leaves must not leave behind what nobody knows of.
func (e *Events) sendUntil(ctx context.Context, until time.Time, a asyncevents.Acceptance) error {
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), until)
	defer cancel()
	return e.Transport.Send(ctx, a.Topic, a.Message)
}

func (e *Events) withdraw(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), withdrawTime)
	defer cancel()
	if err := e.Withdraw(ctx, id); err != nil {
		e.Log.WarnContext(ctx, "the record of an event remains that was not accepted", "correlation_id", id, "error", err)
	}
}
