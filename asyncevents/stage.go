package asyncevents

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/ThreeDotsLabs/watermill/components/delay"
	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/asyncevents/callback"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

// stage is one of the two queues at work: what an attempt is differs, what follows it does not.
type stage struct {
	queue     string
	policy    retry.Policy
	store     Store
	telemetry *telemetry
	log       *slog.Logger
	// attempt makes one attempt. It returns the Settlement of a success, of which the stage fills in CorrelationID,
	// Queue and Attempts.
	attempt func(context.Context, *message.Message, retry.Delivery) (Settlement, error)
	// failed is the state that an event has when its attempts are used up.
	failed func(*Settlement)
	// done is told which message left the queue for good; nil where nobody has to know.
	done func(correlationID string)
	// ctx values that describe a failed attempt, such as a callback's answer.
	describe func(error, *retry.Attempt)
}

// settleTries are the waits between tries to store an outcome. An outcome that cannot be stored means a second
// run, so it is worth some patience while the place is held anyway.
var settleTries = []time.Duration{50 * time.Millisecond, 500 * time.Millisecond, 2 * time.Second, 10 * time.Second}

// settleTimeout bounds one try to store an outcome.
const settleTimeout = 30 * time.Second

// handle is the router's handler. It never returns an error: failures are settled, and a message that could not be
// settled is nacked here, so that the router has nothing to log a second time.
func (s *stage) handle(msg *message.Message) error {
	delivery := retry.DeliveryOf(msg)
	ctx, span := s.telemetry.startAttempt(msg, s.queue, delivery)
	started := time.Now()
	ctx, own := withCompletion(ctx, delivery, started)
	settlement, err := s.try(ctx, msg, delivery)
	completed := own.settlement.Load()
	if completed != nil && err == nil { // true until the store says that the message is gone
		err = errUncommitted
	}
	if err != nil {
		settlement = s.failure(ctx, msg, delivery, started, err)
	} else {
		settlement.History = remembered(delivery, started)
	}
	settlement.CorrelationID, settlement.Queue, settlement.Job = delivery.CorrelationID, s.queue, delivery.Job
	settlement.Attempts = delivery.History.Last()
	if !isHopeless(err) && (settlement.Again == nil || !settlement.Again.Postponed) {
		settlement.Attempts++
	}
	fate := s.settle(ctx, msg, settlement)
	switch {
	case fate != overtaken:
	case completed != nil && s.stands(ctx, completed, true): // by the processor's own transaction
		settlement, err, fate = *completed, nil, stored
	case completed == nil && s.stands(ctx, &settlement, false): // by a try whose answer was lost
		fate = stored
	}
	if fate == stored && settlement.Again == nil && s.done != nil {
		s.done(settlement.CorrelationID)
	}
	s.report(ctx, delivery, &settlement, err, fate)
	s.telemetry.endAttempt(ctx, span, s.queue, started, &settlement, err, fate == stored)
	return nil
}

// fate is what became of an outcome.
type fate int

const (
	stored    fate = iota
	overtaken      // somebody else has the message: the outcome no longer counts
	unstored       // the store did not take it; the message is delivered again
)

// report logs what became of an attempt that did not succeed.
func (s *stage) report(ctx context.Context, d retry.Delivery, settlement *Settlement, err error, f fate) {
	if err == nil && f == stored {
		return
	}
	log := s.log.With("queue", s.queue, "correlation_id", d.CorrelationID)
	switch letter := settlement.DeadLetter; {
	case f == overtaken:
		log.WarnContext(ctx, "an outcome came too late: the message was given to somebody else")
	case f == stored && letter != nil:
		log.WarnContext(ctx, "message dead-lettered", "attempts", len(letter.Attempts), "error_type", letter.Failure.Type)
	case f == stored && settlement.Again != nil && settlement.Again.Postponed:
		log.DebugContext(ctx, "attempt postponed", "reason", err, "wait", settlement.Again.After)
	case f == stored && settlement.Again != nil:
		log.InfoContext(ctx, "attempt failed", "attempt", d.Attempt, "error_type", dlq.FailureOf(err).Type,
			"wait", settlement.Again.After)
	}
}

// try makes an attempt, unless none is left.
func (s *stage) try(ctx context.Context, msg *message.Message, d retry.Delivery) (settlement Settlement, err error) {
	if err := s.hopeless(msg, d); err != nil {
		return settlement, err
	}
	err = dlq.Call(func() (err error) {
		settlement, err = s.attempt(ctx, msg, d)
		return err
	})
	return settlement, err
}

// hopelessError is a message that goes to the DLQ without another attempt.
type hopelessError struct{ dlq.Failure }

func (e *hopelessError) Error() string { return e.Message }

func isHopeless(err error) bool {
	var h *hopelessError
	return errors.As(err, &h)
}

func (s *stage) hopeless(msg *message.Message, d retry.Delivery) error {
	if failure, known := dlq.KnownFailure(msg); known {
		return &hopelessError{failure}
	}
	if d.Attempt > s.policy.MaxAttempts {
		return &hopelessError{dlq.Failure{Type: dlq.TypeLost, Message: fmt.Sprintf(
			"all %d attempts are used up, the last was cut off: %s", s.policy.MaxAttempts, lastError(d.History))}}
	}
	return nil
}

// lastError is what the latest attempt left behind.
func lastError(history retry.History) string {
	if len(history) == 0 {
		return "it left no trace"
	}
	return history[len(history)-1].Error
}

// failure is what follows a failed attempt: another one, or the DLQ.
func (s *stage) failure(
	ctx context.Context, msg *message.Message, d retry.Delivery, started time.Time, err error,
) Settlement {
	var h *hopelessError
	if errors.As(err, &h) {
		return s.deadLetter(msg, h.Failure)
	}
	if wait, yes := postponed(msg, d, started, err); yes {
		return Settlement{Again: &Again{After: wait, Metadata: msg.Metadata, Postponed: true}}
	}
	failure := dlq.FailureOf(err)
	history := s.record(msg, d, started, failure, err)
	wait, again := s.policy.Next(d.Attempt, err)
	again = again && !d.SingleAttempt
	if cutOff(ctx, err) { // says nothing about the event
		wait, again = s.policy.Backoff(d.Attempt), true
	}
	if again {
		return Settlement{Again: &Again{After: wait, Metadata: msg.Metadata}, History: withoutAnswers(history)}
	}
	return s.deadLetter(msg, failure)
}

// cutOff is whether an attempt failed because a shutdown or a lost lease ended its context, not its own time limit.
func cutOff(ctx context.Context, err error) bool {
	return errors.Is(err, context.Canceled) && errors.Is(ctx.Err(), context.Canceled)
}

// remembered is the history of a message with the attempt that succeeded, nil where that was the first: most events are spared it.
func remembered(d retry.Delivery, started time.Time) retry.History {
	if len(d.History) == 0 && d.Redrives == 0 {
		return nil
	}
	return withoutAnswers(d.Ended(started, ""))
}

// withoutAnswers is a history without what receivers of callbacks answered: that is kept with the message, and goes with it.
func withoutAnswers(history retry.History) retry.History {
	history = slices.Clone(history)
	for i := range history {
		history[i].ResponseBody = ""
	}
	return history
}

// record adds a failed attempt to the history that travels with the message.
func (s *stage) record(
	msg *message.Message, d retry.Delivery, started time.Time, failure dlq.Failure, err error,
) retry.History {
	history := d.Ended(started, failure.Message)
	if s.describe != nil {
		s.describe(err, &history[len(history)-1])
	}
	msg.Metadata.Set(retry.MetadataHistory, history.String())
	return history
}

func (s *stage) deadLetter(msg *message.Message, failure dlq.Failure) Settlement {
	entry := dlq.EntryOf(msg, s.queue, failure)
	settlement := Settlement{DeadLetter: &entry, History: withoutAnswers(entry.Attempts)}
	s.failed(&settlement)
	return settlement
}

// settle stores the outcome, and says what became of it. The message's context may have ended, often exactly because
// the attempt failed: the outcome is stored all the same.
func (s *stage) settle(ctx context.Context, msg *message.Message, settlement Settlement) fate {
	ctx = context.WithoutCancel(ctx)
	for try := 0; ; try++ {
		err := s.settleOnce(ctx, settlement)
		switch {
		case err == nil:
			return stored
		case errors.Is(err, ErrNotHeld):
			return overtaken
		case try == len(settleTries):
			s.log.ErrorContext(ctx, "cannot store an outcome; the message will be delivered again",
				"queue", s.queue, "correlation_id", settlement.CorrelationID, "error", err)
			s.giveBack(msg, settlement)
			return unstored
		}
		time.Sleep(settleTries[try])
	}
}

// stands is whether a message is gone because of this very outcome: an attempt that takes over from another has a higher
// number. Where the store has no record of the event nobody can tell, and likely says what is to be believed.
func (s *stage) stands(ctx context.Context, outcome *Settlement, likely bool) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	record, err := s.store.Find(ctx, outcome.CorrelationID)
	if err != nil {
		return likely && errors.Is(err, ErrNotFound)
	}
	attempts, as := record.Attempts, record.Status == outcome.Status
	if outcome.Queue == CallbacksQueue {
		attempts, as = record.Callback.Attempts, record.Callback.Status == outcome.Callback
	}
	return attempts == outcome.Attempts && (as || outcome.Again != nil)
}

// giveBack has a message delivered again whose outcome could not be stored. Where that was the DLQ, the reason goes
// along: nothing needs to fail once more for it.
func (s *stage) giveBack(msg *message.Message, settlement Settlement) {
	if settlement.DeadLetter != nil {
		dlq.KeepFailure(msg, settlement.DeadLetter.Failure)
	}
	delay.Message(msg, delay.For(s.policy.Backoff(retry.DeliveryOf(msg).Attempt)))
	msg.Nack()
}

func (s *stage) settleOnce(ctx context.Context, settlement Settlement) error {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	return s.store.Settle(ctx, settlement)
}

// describeCallback adds what the receiver of a callback answered to a failed attempt.
func describeCallback(err error, attempt *retry.Attempt) {
	var answered *answeredError
	if errors.As(err, &answered) {
		attempt.ResponseStatus, attempt.ResponseBody = answered.response.Status, answered.response.Body
	}
}

// answeredError is a failed callback attempt with the receiver's answer.
type answeredError struct {
	error
	response callback.Response
}

func (e *answeredError) Unwrap() error { return e.error }
