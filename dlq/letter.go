package dlq

import (
	"bytes"
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/components/delay"
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/retry"
)

// Metadata keys that Watermill's middleware.PoisonQueue sets. They are named here because that package would bring a
// circuit breaker and a backoff library with it.
const (
	poisonReasonKey     = "reason_poisoned"
	poisonTopicKey      = "topic_poisoned"
	poisonHandlerKey    = "handler_poisoned"
	poisonSubscriberKey = "subscriber_poisoned"
)

// failureKey carries the failure of a message that should be a dead letter, but could not be stored, to the next
// delivery, so that the handler need not fail once more.
const failureKey = retry.MetadataPrefix + "failure"

// addTimeout bounds one Store.Add.
const addTimeout = 30 * time.Second

// KeepFailure notes on a message that should be a dead letter, but could not be stored, why it should be one. The next
// delivery brings it to KnownFailure, if the transport keeps the metadata of a nacked message.
func KeepFailure(msg *message.Message, failure Failure) {
	if text, err := json.Marshal(failure); err == nil {
		setMetadata(msg, failureKey, string(text))
	}
}

// KnownFailure returns why a message goes to the DLQ without another attempt: what KeepFailure noted, or that it could
// not be decoded. known is false when nothing is against an attempt.
func KnownFailure(msg *message.Message) (failure Failure, known bool) {
	if text := msg.Metadata.Get(failureKey); text != "" && json.Unmarshal([]byte(text), &failure) == nil {
		return failure, true
	}
	if damage := msg.Metadata.Get(retry.MetadataDamage); damage != "" {
		return Failure{Type: TypeUndecodable, Message: damage}, true
	}
	return Failure{}, false
}

// EntryOf makes a dead letter of a message: Topic is where the router subscribed to it, Attempts, Redrives, AcceptedAt
// and CorrelationID come from its metadata, Metadata is the rest of that. A message without a UUID gets one: entries
// are told apart by it.
func EntryOf(msg *message.Message, queue string, failure Failure) Entry {
	id := msg.UUID
	if id == "" {
		id = watermill.NewUUID()
	}
	delivery := retry.DeliveryOf(msg)
	if delivery.CorrelationID == "" {
		delivery.CorrelationID = id
	}
	failure.Message = retry.CutText(failure.Message)
	return Entry{
		Queue:         queue,
		Topic:         message.SubscribeTopicFromCtx(msg.Context()),
		MessageID:     id,
		CorrelationID: delivery.CorrelationID,
		AcceptedAt:    delivery.AcceptedAt,
		Payload:       bytes.Clone(msg.Payload),
		Metadata:      ownMetadata(msg.Metadata),
		Failure:       failure,
		Attempts:      delivery.History,
		Redrives:      delivery.Redrives,
		Job:           delivery.Job,
	}
}

// ownMetadata is what of a message's metadata is not about its delivery.
func ownMetadata(metadata message.Metadata) map[string]string {
	own := make(map[string]string, len(metadata))
	for k, v := range metadata {
		switch k {
		case retry.MetadataAttempt, retry.MetadataRedrives, retry.MetadataHistory, retry.MetadataDamage, retry.MetadataJob,
			retry.MetadataRedrivenAt, retry.MetadataSingleAttempt, retry.MetadataPostponed, retry.MetadataPostponedSince, failureKey,
			delay.DelayedForKey, delay.DelayedUntilKey,
			poisonReasonKey, poisonTopicKey, poisonHandlerKey, poisonSubscriberKey:
		default:
			own[k] = v
		}
	}
	return own
}

// postpone sets Watermill's delay. The time of day, which has whole seconds, is rounded up: the wait is a lower bound.
func postpone(msg *message.Message, wait time.Duration) {
	until := time.Now().UTC().Add(wait + time.Second - 1).Truncate(time.Second)
	setMetadata(msg, delay.DelayedUntilKey, until.Format(time.RFC3339))
	setMetadata(msg, delay.DelayedForKey, wait.String())
}

func setMetadata(msg *message.Message, key, value string) {
	if msg.Metadata == nil {
		msg.Metadata = message.Metadata{}
	}
	msg.Metadata.Set(key, value)
}

// recordAttempt adds an attempt that failed to the history in the message's metadata. A history that cannot be read is
// begun anew.
func recordAttempt(msg *message.Message, startedAt time.Time, failure Failure) {
	delivery := retry.DeliveryOf(msg)
	setMetadata(msg, retry.MetadataHistory, delivery.Ended(startedAt, failure.Message).String())
}

// add stores an entry. The message's context is cancelled exactly when a deadline was the reason for its failure, or a
// shutdown is under way: storing must outlive both, for a bounded time.
func add(ctx context.Context, store Store, entry Entry) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), addTimeout)
	defer cancel()
	return store.Add(ctx, entry)
}

// countsAttempts is whether the transport that delivered the message counts attempts, and hence holds back a message
// whose metadata carries a delay.
func countsAttempts(msg *message.Message) bool {
	n, err := strconv.Atoi(msg.Metadata.Get(retry.MetadataAttempt))
	return err == nil && n > 0
}
