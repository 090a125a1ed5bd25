package asyncevents

import (
	"context"
	"encoding/json"
	"time"
)

// Names of the two queues of a Service, and of their DLQs. Their topics carry Config.TopicPrefix.
const (
	// EventsQueue carries accepted events to the processor.
	EventsQueue = "events"
	// CallbacksQueue carries callbacks to their receivers.
	CallbacksQueue = "callbacks"
)

// Status is where an accepted event stands.
type Status string

// The statuses of an event.
const (
	// StatusQueued is an event that waits for its first or next attempt.
	StatusQueued Status = "queued"
	// StatusProcessed is an event that is done. Final.
	StatusProcessed Status = "processed"
	// StatusError is an event that the processor refused with Reject. Final.
	StatusError Status = "error"
	// StatusFailed is an event in the Events DLQ, or erased from it.
	StatusFailed Status = "failed"
	// StatusExported is an event in the Events DLQ that at least one export contains.
	StatusExported Status = "exported"
	// StatusRetried is an event that was moved back from the DLQ and waits for its next attempt.
	StatusRetried Status = "retried"
)

// Final is whether an event goes no further by itself: it is processed, refused, or in the DLQ.
func (s Status) Final() bool { return s != StatusQueued && s != StatusRetried }

// CallbackStatus is where the callback of an event stands.
type CallbackStatus string

// The statuses of a callback.
const (
	// CallbackNone is an event without a callback, or one that is not done yet.
	CallbackNone CallbackStatus = ""
	// CallbackPending is a callback that waits for its first or next attempt.
	CallbackPending CallbackStatus = "pending"
	// CallbackDelivered is a callback that was answered with a 2xx. Final.
	CallbackDelivered CallbackStatus = "delivered"
	// CallbackFailed is a callback in the Callbacks DLQ, or erased from it.
	CallbackFailed CallbackStatus = "failed"
)

// Event is one accepted event on its way through the processor.
type Event struct {
	// ID is the correlation id: chosen by the client, or generated. It is the same on every attempt, so a processor can
	// use it to be idempotent.
	ID string
	// Attempt is the number of this start of the processor since the event was accepted or last moved back from the
	// DLQ, from 1.
	Attempt int
	// TotalAttempts is the number of this start through all redrives, from 1.
	TotalAttempts int
	// Redrives is how often the event was moved back from the DLQ.
	Redrives int
	// AcceptedAt is when the event was accepted.
	AcceptedAt time.Time
	// Customer and Action are the attributes of these names, "" where the body has no such string.
	Customer, Action string
	// Data is the attribute of that name as it was sent; nil where the body has none.
	Data json.RawMessage
	// CallbackURL is where the outcome will be posted; "" for nowhere.
	CallbackURL string
	// Body is the whole request body, byte for byte. It must not be changed.
	Body []byte
	// CloudEvent is set when the event came as one. Then Action is its type, Customer its extension "customer", Data its data where
	// that is JSON, and CallbackURL its extension "callbackurl" or, where there is none, "callback_url" in Data.
	CloudEvent *CloudEvent
}

// Processor handles one event. Many run at once.
//
//   - A nil error means processed; result is encoded as JSON into the status answer and the callback.
//   - An error made by Reject is a business answer: final, not retried, not in the DLQ.
//   - retry.Permanent(err) puts the event into the Events DLQ at once.
//   - retry.After(d, err) tries again no sooner than d.
//   - Any other error, and a panic, is a failed attempt: tried again with backoff, then dead-lettered.
//
// ctx ends at Config.AttemptTimeout, and when a shutdown has waited for Config.ShutdownTimeout; not when Run's context
// ends.
type Processor func(ctx context.Context, event Event) (result any, err error)
