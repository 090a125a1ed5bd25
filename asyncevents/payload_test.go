package asyncevents

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The body of a callback is the payload without its callback.
func TestStatusPayload(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, tc := range map[string]struct {
		record Record
		want   string
	}{
		"waiting": {
			Record{CorrelationID: "x", Status: StatusQueued, Attempts: 2, NextAttemptAt: at.Add(time.Minute),
				CreatedAt: at, UpdatedAt: at},
			`{"correlation_id":"x","status":"queued","attempts":2,"created_at":"2026-01-02T03:04:05Z",` +
				`"updated_at":"2026-01-02T03:04:05Z","next_attempt_at":"2026-01-02T03:05:05Z"}`,
		},
		"refused": {
			Record{CorrelationID: "x", Status: StatusError, Attempts: 1, CreatedAt: at, UpdatedAt: at,
				Response: raw(`{"success":[],"error":{"type":"T","code":1,"message":"m"}}`),
				Callback: CallbackRecord{Status: CallbackPending}},
			`{"correlation_id":"x","status":"error","response":{"success":[],"error":{"type":"T","code":1,"message":"m"}},` +
				`"attempts":1,"created_at":"2026-01-02T03:04:05Z","updated_at":"2026-01-02T03:04:05Z"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			encoded, err := json.Marshal(newStatusPayload(tc.record))
			require.NoError(t, err)
			assert.Equal(t, tc.want, string(encoded))
		})
	}
}

// A payload is checked as what its message says that it is.
func TestCheckPayload(t *testing.T) {
	t.Parallel()
	structured := map[string]string{"content-type": "application/cloudevents+json"}
	binary := map[string]string{"content-type": "image/x", "ce_specversion": "1.0", "ce_id": "1", "ce_source": "/", "ce_type": "t"}
	for _, tc := range []struct {
		queue, payload string
		metadata       map[string]string
		ok             bool
	}{
		{EventsQueue, `{}`, nil, true},
		{EventsQueue, `{"a":1,"a":2}`, nil, false},
		{EventsQueue, `{}`, structured, false},
		{EventsQueue, `{"specversion":"1.0","id":"1","source":"/","type":"t"}`, structured, true},
		{EventsQueue, "\xff", binary, true},
		{EventsQueue, "\xff", nil, false},
		{CallbacksQueue, `{"url":"https://x.example"}`, nil, true},
		{CallbacksQueue, `{"url":""}`, nil, false},
	} {
		assert.Equal(t, tc.ok, CheckPayload(tc.queue, []byte(tc.payload), tc.metadata) == nil, "%s %s", tc.queue, tc.payload)
	}
}

func TestCallbackPayload(t *testing.T) {
	t.Parallel()
	assert.Nil(t, newCallbackPayload(CallbackRecord{}))
	encoded, err := json.Marshal(newCallbackPayload(CallbackRecord{Status: CallbackDelivered, Attempts: 1}))
	require.NoError(t, err)
	assert.Equal(t, `{"status":"delivered","attempts":1}`, string(encoded))
}
