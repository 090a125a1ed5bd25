package main

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/redrive-go/redrive/asyncevents"
)

func TestMetrics(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.accept(t, "good", `{}`)
	r.accept(t, "bad", `{"permanent":true}`)
	r.await(t, "good", asyncevents.StatusProcessed)
	r.await(t, "bad", asyncevents.StatusFailed)
	status, text := r.do(t, http.MethodGet, "/metrics", "")
	assert.Equal(t, http.StatusOK, status)
	for _, series := range []string{
		`redrive_events_accepted_total\{.*outcome="accepted".*\} 2`,
		`redrive_attempts_total\{.*outcome="processed".*queue="events".*\} 1`,
		`redrive_attempts_total\{.*outcome="dead_lettered".*queue="events".*\} 1`,
		`redrive_dlq_depth\{.*queue="events".*\} 1`,
		`redrive_dlq_depth\{.*queue="callbacks".*\} 0`,
		`redrive_attempt_duration_seconds_count\{`,
		`(?m)^go_goroutines `,
	} {
		assert.Regexp(t, series, text)
	}
	assert.NotContains(t, text, "good", "no correlation id becomes a label")
}
