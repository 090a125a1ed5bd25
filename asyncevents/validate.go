package asyncevents

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
)

// Validator decides at intake whether an event is taken. A *Problem (also wrapped) is answered as it is; any other
// error is answered with 400, CodeMalformed and its text, so the text must be fit for the client's eyes. The event has
// no attempt yet. A Validator must not change it and is called from many goroutines.
type Validator func(ctx context.Context, event *Event) error

// check runs the validator, nil included, and returns what to answer.
func (v Validator) check(ctx context.Context, event *Event) *Problem {
	if v == nil {
		return nil
	}
	err := v(ctx, event)
	if err == nil {
		return nil
	}
	var problem *Problem
	if errors.As(err, &problem) {
		// A function that returns *Problem and is wrapped as a Validator makes a nil one mean no problem.
		return problem
	}
	return newMalformedProblem(err.Error())
}

// RequireFields returns a Validator that refuses an event without one of the named top-level attributes, with
// CodeEmptyProperty and the first name that is missing. Absent, null and "" are missing. "customer" and "action" must be
// strings, "data" must be an object. Other names are attributes where the event is a CloudEvent.
func RequireFields(names ...string) Validator {
	names = slices.Clone(names)
	return func(_ context.Context, event *Event) error {
		for _, name := range names {
			if !hasField(event, name) {
				return newEmptyPropertyProblem(name)
			}
		}
		return nil
	}
}

func hasField(event *Event, name string) bool {
	switch name {
	case "customer":
		return event.Customer != ""
	case "action":
		return event.Action != ""
	case "data":
		return len(event.Data) > 0 && event.Data[0] == '{'
	}
	if event.CloudEvent != nil {
		return event.CloudEvent.has(name)
	}
	// Rare names pay for a second look at the body, so that the usual ones cost nothing.
	var fields map[string]json.RawMessage
	if json.Unmarshal(event.Body, &fields) != nil {
		return false
	}
	value := string(fields[name])
	return value != "" && value != "null" && value != `""`
}

// AllowedActions returns a Validator that refuses an event whose "action" is not one of these, with CodeInvalidAction.
// An event without an action is refused too.
func AllowedActions(actions ...string) Validator {
	allowed := make(map[string]bool, len(actions))
	for _, action := range actions {
		allowed[action] = true
	}
	return func(_ context.Context, event *Event) error {
		if !allowed[event.Action] {
			return newInvalidActionProblem(event.Action)
		}
		return nil
	}
}

// All returns a Validator that asks each of these in order and returns the first refusal. Nil ones are passed over.
func All(validators ...Validator) Validator {
	validators = slices.Clone(validators)
	return func(ctx context.Context, event *Event) error {
		for _, validator := range validators {
			if problem := validator.check(ctx, event); problem != nil {
				return problem
			}
		}
		return nil
	}
}
