package asyncevents

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/google/uuid"

	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

// eventsStage runs the processor.
func (s *Service) eventsStage() *stage {
	return &stage{
		queue: EventsQueue, policy: s.cfg.Policy, store: s.backend.Events, telemetry: s.telemetry, log: s.cfg.Logger,
		attempt: s.attemptEvent,
		failed:  func(settlement *Settlement) { settlement.Status = StatusFailed },
		done:    s.waiters.tell,
	}
}

func (s *Service) attemptEvent(ctx context.Context, msg *message.Message, d retry.Delivery) (Settlement, error) {
	event, problem := parseEvent(msg.Payload, msg.Metadata)
	if problem != nil { // intake lets no such body in; another publisher may
		return Settlement{}, &hopelessError{dlq.Failure{Type: dlq.TypeUndecodable, Message: problem.Message}}
	}
	event.ID, event.AcceptedAt = d.CorrelationID, d.AcceptedAt
	event.Attempt, event.TotalAttempts, event.Redrives = d.Attempt, d.History.Last()+1, d.Redrives
	settlement := Settlement{Status: StatusProcessed}
	result, err := s.process(ctx, event)
	err = s.conclude(ctx, &settlement, event, result, err)
	return settlement, err
}

// conclude puts what a processor brought into the settlement of its event, and has it called back. It returns the error of
// an attempt that failed.
func (s *Service) conclude(ctx context.Context, settlement *Settlement, event Event, result any, err error) error {
	if rejection, ok := rejectionOf(err); ok {
		settlement.Status = StatusError
		settlement.Response, err = encodeResponse([]any{}, rejection)
	} else if err == nil {
		settlement.Response, err = encodeResponse(result, []any{})
	}
	if err == nil && event.CallbackURL != "" {
		err = s.addCallback(ctx, settlement, event)
	}
	return err
}

// response is the value of "response" in a status answer.
type response struct {
	Success any `json:"success"`
	Error   any `json:"error"`
}

func encodeResponse(success, failure any) (json.RawMessage, error) {
	b, err := json.Marshal(response{success, failure})
	if err != nil { // trying again would encode the same
		return nil, retry.Permanent(fmt.Errorf("encode the processor's result: %w", err))
	}
	return b, nil
}

// addCallback has the outcome posted to the event's callback URL: the message is published with the outcome.
func (s *Service) addCallback(ctx context.Context, settlement *Settlement, event Event) error {
	now := time.Now().UTC().Truncate(time.Microsecond)
	body, err := json.Marshal(newStatusPayload(Record{
		CorrelationID: event.ID, Status: settlement.Status, Response: settlement.Response,
		Attempts: event.TotalAttempts, CreatedAt: event.AcceptedAt, UpdatedAt: now,
	}))
	if err != nil {
		return fmt.Errorf("encode the callback: %w", err)
	}
	payload, err := json.Marshal(callbackRequest{
		URL: event.CallbackURL, Method: "POST", Headers: map[string]string{"Content-Type": "application/json"}, Body: body,
	})
	if err != nil {
		return fmt.Errorf("encode the callback: %w", err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make a callback id: %w", err)
	}
	msg := message.NewMessage(id.String(), payload)
	msg.Metadata.Set(retry.MetadataCorrelationID, event.ID)
	msg.Metadata.Set(retry.MetadataAcceptedAt, now.Format(time.RFC3339Nano))
	inject(ctx, msg.Metadata)
	settlement.Callback, settlement.Publish, settlement.PublishTopic = CallbackPending, msg, s.topic(CallbacksQueue)
	return nil
}
