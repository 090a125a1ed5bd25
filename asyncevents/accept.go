package asyncevents

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"

	"github.com/redrive-go/redrive/asyncevents/callback"
	"github.com/redrive-go/redrive/retry"
)

// Accept takes an event durably, as the POST of Handler does. It returns a *Problem when the event is refused, and any
// other error when it could not be stored: then it may be sent again. Calls made at the same time share their commits.
func (s *Service) Accept(ctx context.Context, submission Submission) (Accepted, error) {
	ctx, span := s.telemetry.startAccept(ctx)
	accepted, err := s.accept(ctx, submission, func(a Acceptance) (Receipt, error) {
		return s.backend.Events.Accept(ctx, a)
	})
	s.telemetry.endAccept(ctx, span, accepted, err)
	return accepted, err
}

// storing hands an event to the store.
type storing func(Acceptance) (Receipt, error)

func (s *Service) accept(ctx context.Context, submission Submission, store storing) (Accepted, error) {
	acceptance, err := s.acceptance(ctx, submission)
	if err != nil {
		return Accepted{}, err
	}
	receipt, err := store(acceptance)
	if err != nil {
		return Accepted{}, fmt.Errorf("asyncevents: accept event: %w", err)
	}
	return acceptance.conclude(receipt)
}

// acceptance is what to store of a submission; the error is a *Problem when it is refused.
func (s *Service) acceptance(ctx context.Context, submission Submission) (Acceptance, error) {
	if int64(len(submission.Body)) > s.cfg.MaxBodyBytes {
		return Acceptance{}, newTooLargeProblem(s.cfg.MaxBodyBytes)
	}
	metadata := submission.metadata()
	event, problem := parseEvent(submission.Body, metadata)
	if problem != nil {
		return Acceptance{}, problem
	}
	event.AcceptedAt = time.Now().UTC().Truncate(time.Microsecond) // as precise as stores keep it
	if problem := s.check(ctx, &event); problem != nil {
		return Acceptance{}, problem
	}
	if event.ID == "" {
		event.ID = submission.nameOf(&event)
	}
	generated := event.ID == ""
	if generated {
		id, err := uuid.NewV7()
		if err != nil {
			return Acceptance{}, fmt.Errorf("asyncevents: make a correlation id: %w", err)
		}
		event.ID = id.String()
	}
	hash := hashOf(event.Body, metadata)
	metadata[retry.MetadataAcceptedAt] = event.AcceptedAt.Format(time.RFC3339Nano)
	inject(ctx, metadata)
	return Acceptance{
		CorrelationID: event.ID, Generated: generated, BodyHash: hash, AcceptedAt: event.AcceptedAt,
		Topic: s.topic(EventsQueue), Message: &message.Message{UUID: event.ID, Payload: event.Body, Metadata: metadata},
	}, nil
}

// conclude says what a store's answer means for the client.
func (a *Acceptance) conclude(receipt Receipt) (Accepted, error) {
	switch {
	case !receipt.Known, a.Generated: // nobody but we can have stored an id that was made a moment ago: its answer had got lost
		return Accepted{CorrelationID: a.CorrelationID, Status: StatusQueued}, nil
	case receipt.BodyHash != a.BodyHash:
		return Accepted{}, newConflictProblem()
	}
	return Accepted{CorrelationID: a.CorrelationID, Status: receipt.Status, Replayed: true}, nil
}

// parseEvent reads what the library itself knows of the body of a message, whose metadata may say that it is a CloudEvent. The ID is
// the client's choice, or "".
func parseEvent(body []byte, metadata message.Metadata) (Event, *Problem) {
	if isStructured(metadata) || isBinary(metadata) {
		return parseCloudEvent(body, metadata)
	}
	e, problem := parseBody(body)
	if problem != nil {
		return Event{}, problem
	}
	return Event{
		ID: e.correlationID, Customer: e.customer, Action: e.action, Data: e.data, CallbackURL: e.callbackURL, Body: body,
	}, nil
}

func (s *Service) check(ctx context.Context, event *Event) *Problem {
	if problem := s.cfg.Validator.check(ctx, event); problem != nil {
		return problem
	}
	if event.CallbackURL == "" {
		return nil
	}
	err := s.sender.Check(event.CallbackURL)
	var fault *callback.URLError
	switch {
	case errors.As(err, &fault):
		return newInvalidPropertyProblem("callback_url " + fault.Reason)
	case err != nil:
		return newInvalidPropertyProblem("callback_url is not allowed")
	}
	return nil
}
