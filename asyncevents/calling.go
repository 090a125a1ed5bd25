package asyncevents

import (
	"context"
	"encoding/json"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/asyncevents/callback"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

// callbackRequest is the payload of a message in the callbacks queue, and so of an entry in the Callbacks DLQ.
type callbackRequest struct {
	URL     string            `json:"url"`
	Method  string            `json:"method"`
	Headers map[string]string `json:"headers"`
	Body    json.RawMessage   `json:"body"`
}

// callbacksStage posts callbacks.
func (s *Service) callbacksStage() *stage {
	return &stage{
		queue: CallbacksQueue, policy: s.cfg.CallbackPolicy, store: s.backend.Events, telemetry: s.telemetry,
		log:      s.cfg.Logger,
		attempt:  s.attemptCallback,
		failed:   func(settlement *Settlement) { settlement.Callback = CallbackFailed },
		describe: describeCallback,
	}
}

// parseCallback reads what a message in the callbacks queue asks for.
func parseCallback(payload []byte) (request callbackRequest, err error) {
	err = json.Unmarshal(payload, &request)
	return request, err
}

func (s *Service) attemptCallback(ctx context.Context, msg *message.Message, d retry.Delivery) (Settlement, error) {
	request, err := parseCallback(msg.Payload)
	if err != nil {
		return Settlement{}, &hopelessError{dlq.Failure{Type: dlq.TypeUndecodable, Message: err.Error()}}
	}
	answer, err := s.sender.Send(ctx, callback.Request{
		ID: msg.UUID, CorrelationID: d.CorrelationID, Attempt: d.History.Last() + 1,
		URL: request.URL, Headers: traceHeaders(ctx), Body: request.Body,
	})
	if err != nil {
		return Settlement{}, &answeredError{err, answer}
	}
	return Settlement{Callback: CallbackDelivered}, nil
}
