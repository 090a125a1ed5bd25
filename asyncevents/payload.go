package asyncevents

import (
	"encoding/json"
	"errors"
	"time"
)

// statusPayload is the "payload" of a status answer; without Callback and Timeline it is the body of a callback.
type statusPayload struct {
	CorrelationID string           `json:"correlation_id"`
	Status        Status           `json:"status"`
	Response      json.RawMessage  `json:"response,omitempty"`
	Attempts      int              `json:"attempts"`
	CreatedAt     time.Time        `json:"created_at"`
	UpdatedAt     time.Time        `json:"updated_at"`
	NextAttemptAt time.Time        `json:"next_attempt_at,omitzero"`
	Callback      *callbackPayload `json:"callback,omitempty"`
	Timeline      []milestone      `json:"timeline,omitempty"`
}

// milestone is of a Milestone what a client may know: why attempts failed and who moved what is the operators' business.
type milestone struct {
	At      time.Time `json:"at"`
	Queue   string    `json:"queue"`
	What    Happening `json:"what"`
	Attempt int       `json:"attempt,omitzero"`
}

// callbackPayload says in a status answer where the callback stands.
type callbackPayload struct {
	Status        CallbackStatus `json:"status"`
	Attempts      int            `json:"attempts"`
	NextAttemptAt time.Time      `json:"next_attempt_at,omitzero"`
	UpdatedAt     time.Time      `json:"updated_at,omitzero"`
}

// newStatusAnswer returns the payload of a record with everything.
func newStatusAnswer(r Record) statusPayload {
	payload := newStatusPayload(r)
	payload.Callback = newCallbackPayload(r.Callback)
	line := r.Timeline()
	if len(line) > maxTold {
		line = append(line[:1:1], line[len(line)-maxTold+1:]...)
	}
	for _, m := range line {
		payload.Timeline = append(payload.Timeline, milestone{m.At, m.Queue, m.What, m.Attempt})
	}
	return payload
}

// maxTold is how many milestones a status answer has at most: the first, and the latest.
const maxTold = 32

// newStatusPayload returns the payload of a record without its callback and its timeline.
func newStatusPayload(r Record) statusPayload {
	return statusPayload{
		CorrelationID: r.CorrelationID, Status: r.Status, Response: r.Response, Attempts: r.Attempts,
		CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(), NextAttemptAt: r.NextAttemptAt.UTC(),
	}
}

// newCallbackPayload returns nil for an event without a callback.
func newCallbackPayload(r CallbackRecord) *callbackPayload {
	if r.Status == CallbackNone {
		return nil
	}
	return &callbackPayload{
		Status: r.Status, Attempts: r.Attempts, NextAttemptAt: r.NextAttemptAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
	}
}

// CheckPayload returns what is wrong with the payload of a message in EventsQueue or CallbacksQueue that has this metadata, as a
// *Problem: one without which an attempt would be in vain. Whether a Processor takes it, or a receiver, is another question.
func CheckPayload(queue string, payload []byte, metadata map[string]string) error {
	if queue != CallbacksQueue {
		if _, problem := parseEvent(payload, metadata); problem != nil {
			return problem
		}
		return nil
	}
	request, err := parseCallback(payload)
	if err == nil && request.URL == "" {
		err = errors.New("it has no 'url'")
	}
	if err != nil {
		return newMalformedProblem("Not a callback: " + err.Error())
	}
	return nil
}
