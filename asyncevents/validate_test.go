package asyncevents

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// parsedEvent returns the event that intake makes of a body.
func parsedEvent(t *testing.T, body string) *Event {
	t.Helper()
	parsed, problem := parseBody([]byte(body))
	require.Nil(t, problem)
	return &Event{Customer: parsed.customer, Action: parsed.action, Data: parsed.data, Body: []byte(body)}
}

func TestRequireFields(t *testing.T) {
	t.Parallel()
	validator := RequireFields("customer", "action", "data", "store")
	for body, missing := range map[string]string{
		`{"customer":"c","action":"a","data":{},"store":"s"}`:    "",
		`{"customer":"c","action":"a","data":{"n":1},"store":0}`: "",
		`{"customer":"c","action":"a","data":{},"store": false}`: "",
		`{"action":"a","data":{},"store":"s"}`:                   "customer",
		`{"customer":"","action":"a","data":{},"store":"s"}`:     "customer",
		`{"customer":null,"action":"a","data":{},"store":"s"}`:   "customer",
		`{"customer":7,"action":"a","data":{},"store":"s"}`:      "customer",
		`{}`:                                     "customer",
		`{"customer":"c","data":{},"store":"s"}`: "action",
		`{"customer":"c","action":"a","store":"s"}`:                 "data",
		`{"customer":"c","action":"a","data":null,"store":"s"}`:     "data",
		`{"customer":"c","action":"a","data":[],"store":"s"}`:       "data",
		`{"customer":"c","action":"a","data":"{}","store":"s"}`:     "data",
		`{"customer":"c","action":"a","data":{"store":1}}`:          "store",
		`{"customer":"c","action":"a","data":{},"store":  null }`:   "store",
		`{"customer":"c","action":"a","data":{},"store" :  ""  }`:   "store",
		`{"customer":"c","action":"a","data":{},"STORE":"no case"}`: "store",
	} {
		problem := validator.check(t.Context(), parsedEvent(t, body))
		if missing == "" {
			assert.Nil(t, problem, body)
			continue
		}
		assert.Equal(t, newEmptyPropertyProblem(missing), problem, body)
	}
	assert.Nil(t, RequireFields().check(t.Context(), &Event{}))
	assert.Equal(t, CodeEmptyProperty, RequireFields("store").check(t.Context(), &Event{Body: []byte("no JSON")}).Code)
}

func TestAllowedActions(t *testing.T) {
	t.Parallel()
	validator := AllowedActions("points.add", "points.spend")
	assert.Nil(t, validator.check(t.Context(), &Event{Action: "points.add"}))
	for _, action := range []string{"points.steal", "", "POINTS.ADD"} {
		assert.Equal(t, newInvalidActionProblem(action), validator.check(t.Context(), &Event{Action: action}))
	}
	assert.NotNil(t, AllowedActions().check(t.Context(), &Event{Action: "any"}))
}

func TestAllStopsAtTheFirstRefusal(t *testing.T) {
	t.Parallel()
	var asked []string
	ask := func(name string, err error) Validator {
		return func(context.Context, *Event) error {
			asked = append(asked, name)
			return err
		}
	}
	var none *Problem
	validator := All(ask("a", nil), nil, ask("b", none), ask("c", errors.New("no")), ask("d", nil))
	assert.Equal(t, newMalformedProblem("no"), validator.check(t.Context(), &Event{}))
	assert.Equal(t, []string{"a", "b", "c"}, asked)
	assert.Nil(t, All().check(t.Context(), &Event{}))
}

func TestValidatorErrorsBecomeProblems(t *testing.T) {
	t.Parallel()
	own := &Problem{HTTPStatus: 403, Type: "T", Code: 1, Message: "m"}
	var typedNil *Problem
	for _, tc := range []struct {
		err  error
		want *Problem
	}{
		{nil, nil},
		{own, own},
		{fmt.Errorf("wrapped: %w", own), own},
		{errors.New("points must be positive"), newMalformedProblem("points must be positive")},
		{typedNil, nil},
	} {
		validator := Validator(func(context.Context, *Event) error { return tc.err })
		assert.Equal(t, tc.want, validator.check(t.Context(), &Event{}))
	}
	assert.Nil(t, Validator(nil).check(t.Context(), &Event{}))
}
