package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
)

func TestProcessLoyalty(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ action, data, want string }{
		{"point_add", `{"points":120}`, `{"customer":"c","action":"point_add","points":120}`},
		{"point_deduct", `{"points":15}`, `{"customer":"c","action":"point_deduct","points":-15}`},
		{"checkout", `{"amount":59.9,"redeem":500}`, `{"customer":"c","action":"checkout","points":-446,"paid":54.9}`},
		{"checkout", `{"amount":12.5}`, `{"customer":"c","action":"checkout","points":12,"paid":12.5}`},
		{"point_add", `{"points":"many"}`, `{"customer":"c","action":"point_add","points":0}`},
		{"anything", `[1]`, `{"customer":"c","action":"anything","points":0}`},
		{"point_add", ``, `{"customer":"c","action":"point_add","points":0}`},
	} {
		event := asyncevents.Event{Customer: "c", Action: c.action, Data: json.RawMessage(c.data)}
		result, err := processLoyalty(t.Context(), event)
		require.NoError(t, err)
		got, err := json.Marshal(result)
		require.NoError(t, err)
		assert.JSONEq(t, c.want, string(got))
	}
}

func TestProcessLoyaltyRefuses(t *testing.T) {
	t.Parallel()
	data := json.RawMessage(`{"amount":20,"redeem":5000}`)
	_, err := processLoyalty(t.Context(), asyncevents.Event{Action: "checkout", Data: data})
	var refused *asyncevents.Rejection
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, codeRedeemTooHigh, refused.Code)
	assert.Equal(t, "5000 points are worth 50.00, more than the amount of 20.00", refused.Message)
}

func TestValidator(t *testing.T) {
	t.Parallel()
	r := start(t)
	for body, want := range map[string]string{
		`{"action":"point_add","data":{}}`:               "Property 'customer' cannot be empty",
		`{"customer":"c","data":{}}`:                     "Property 'action' cannot be empty",
		`{"customer":"c","action":"point_add"}`:          "Property 'data' cannot be empty",
		`{"customer":"c","action":"nonsense","data":{}}`: "Invalid action: nonsense",
	} {
		status, answer := r.do(t, "POST", eventsPath, body)
		assert.Equal(t, 400, status, body)
		assert.Contains(t, answer, want)
	}
	any := start(t, "-any-action")
	status, answer := any.do(t, "POST", eventsPath, `{"correlation_id":"x","data":[1]}`)
	assert.Equal(t, 202, status, answer)
	any.await(t, "x", asyncevents.StatusProcessed)
}
