package management

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
)

// Who does not see payloads learns nothing of what others looked for in them: a job, an export and an audit row have it with a count.
func TestWhatWasLookedForInPayloadsIsConcealed(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.add("one", `{"action":"pay-4111","data":{"card":"4111"}}`)
	filter := `{"q":"4111","action":"pay-4111","attributes":{"data.card":"4111"},"error":"luck"}`
	require.Equal(t, http.StatusAccepted, b.do(http.MethodPost, "api/queues/events/exports", filter).Code)
	require.Equal(t, http.StatusAccepted, b.do(http.MethodPost, "api/queues/events/retry-job", filter).Code)
	paths := []string{
		"api/queues", "api/queues/events", "api/queues/events/retry-job", "api/queues/events/retry-jobs", "queues/events/jobs",
		"api/queues/events/exports", "exports", "api/audit", "audit",
	}
	for _, path := range paths[2:5] {
		assert.Contains(t, b.do(http.MethodGet, path, "").text, "4111", path)
	}
	b.authorize = butFor(ActionViewPayload)
	for _, path := range paths {
		got := b.do(http.MethodGet, path, "")
		assert.Equal(t, http.StatusOK, got.Code, path)
		assert.NotContains(t, got.text, "4111", path)
	}
	assert.Contains(t, b.do(http.MethodGet, "api/queues/events/retry-job", "").text,
		`"filter":{"error":"luck","q":"hidden","action":"hidden","attributes":{"data.card":"hidden"}}`)
}

// Digests of short payloads can be guessed.
func TestDigestsAreConcealed(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addEvent("e")
	require.Equal(t, http.StatusOK, b.do(http.MethodPost, "api/queues/events/entries/1/edit", `{"payload":{"pin":"1234"}}`).Code)
	const digest = "sha256:"
	for _, path := range []string{"api/audit", "audit", "api/events/e", "events?correlation_id=e"} {
		b.authorize = allowAll
		assert.Contains(t, b.do(http.MethodGet, path, "").text, digest, path)
		b.authorize = butFor(ActionViewPayload)
		got := b.do(http.MethodGet, path, "")
		assert.Equal(t, http.StatusOK, got.Code)
		assert.NotContains(t, got.text, digest, path)
	}
	assert.Equal(t, concealed, (&call{handler: &handler{cfg: &Config{}, authorize: butFor(ActionViewPayload)}}).
		shownRow(asyncevents.AuditRow{Action: auditEdit, Detail: digest}).Detail)
}
