package management

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
)

// shows returns everything that shows the only entry of the DLQ of events. The last call moves it back.
func (b *bundle) shows() map[string]string {
	b.t.Helper()
	texts := map[string]string{}
	for _, path := range []string{"queues/events", "queues/events/entries/1", "api/queues/events/entries",
		"api/queues/events/entries/1"} {
		got := b.do(http.MethodGet, path, "")
		require.Equal(b.t, http.StatusOK, got.Code, path)
		texts[path] = got.text
	}
	texts["retry"] = b.do(http.MethodPost, "api/queues/events/entries/1/retry", "").text
	return texts
}

func TestRedactorDecidesWhatIsShown(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addEntry(dlq.Entry{MessageID: "m", CorrelationID: "c", Payload: []byte(`{"card":"4111"}`)})
	b.cfg.Redact = func(_ context.Context, entry dlq.Entry) ([]byte, error) {
		assert.Equal(t, asyncevents.EventsQueue, entry.Queue)
		assert.Equal(t, "c", entry.CorrelationID)
		copy(entry.Payload, bytes.ReplaceAll(entry.Payload, []byte("4111"), []byte("<s>*")))
		return entry.Payload, nil
	}
	for name, text := range b.shows() {
		assert.NotContains(t, text, "4111", name)
		assert.NotContains(t, text, ">hidden<", name)
		assert.NotContains(t, text, "payload_hidden", name)
		assert.Regexp(t, `"card":"<s>\*"|&#34;card&#34;: ?&#34;&lt;s&gt;\*&#34;`, text, name)
	}
	assert.Empty(t, b.log.String())
}

// TestRedactorGetsACopy lets a redactor overwrite what it was given, which a store may still hold.
func TestRedactorGetsACopy(t *testing.T) {
	t.Parallel()
	cfg := &Config{Redact: func(_ context.Context, entry dlq.Entry) ([]byte, error) {
		clear(entry.Payload)
		return entry.Payload, nil
	}}
	c := &call{handler: &handler{cfg: cfg}, r: httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)}
	payload := []byte("secret")
	shown, err := c.redacted(dlq.Entry{Payload: payload})
	require.NoError(t, err)
	assert.Equal(t, "secret", string(payload))
	assert.Equal(t, make([]byte, 6), shown.Payload)

	shown, err = c.redacted(dlq.Entry{})
	require.NoError(t, err)
	assert.False(t, shown.PayloadHidden, "an empty payload is one to show, too")
}

func TestFailedRedactorHides(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		redact func(context.Context, dlq.Entry) ([]byte, error)
		logged string
	}{
		"nothing":           {func(context.Context, dlq.Entry) ([]byte, error) { return nil, nil }, ""},
		"error":             {func(_ context.Context, e dlq.Entry) ([]byte, error) { return e.Payload, errors.New(string(e.Payload)) }, "*errors.errorString"},
		"panic":             {func(_ context.Context, e dlq.Entry) ([]byte, error) { panic(string(e.Payload)) }, "panic with a string"},
		"panic of an abort": {func(context.Context, dlq.Entry) ([]byte, error) { panic(http.ErrAbortHandler) }, "panic with a *errors.errorString"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, nil)
			b.add("one", `{"secret":1}`)
			b.cfg.Redact = test.redact
			for name, text := range b.shows() {
				assert.NotContains(t, text, "secret", name)
				assert.Contains(t, text, "hidden", name)
			}
			assert.NotContains(t, b.log.String(), "secret")
			assert.Equal(t, test.logged != "", b.log.Len() > 0)
			assert.Contains(t, b.log.String(), test.logged)
		})
	}
}

func TestFailuresOfRedactorAreOneLine(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addMany(50)
	b.cfg.Redact = func(context.Context, dlq.Entry) ([]byte, error) { return nil, errDown }
	b.do(http.MethodGet, "api/queues/events/entries", "")
	assert.Equal(t, 1, bytes.Count(b.log.Bytes(), []byte("\n")))
	assert.Contains(t, b.log.String(), "entries=50")
}

func TestRedactorIsNotAskedInVain(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.add("one", `{"secret":1}`)
	b.authorize = butFor(ActionViewPayload)
	b.cfg.Redact = func(_ context.Context, entry dlq.Entry) ([]byte, error) {
		t.Error("it is hidden anyway")
		return entry.Payload, nil
	}
	for _, text := range b.shows() {
		assert.NotContains(t, text, "secret")
	}
	assert.Equal(t, http.StatusNotFound, b.do(http.MethodGet, "api/queues/events/entries/9", "").Code)
}

// TestNoDownloadPastARedactor holds that files, which are not redacted, are not handed out, as a whole or in part.
func TestNoDownloadPastARedactor(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.add("one", `{"secret":1}`)
	record := b.exported()
	b.cfg.Redact = func(_ context.Context, entry dlq.Entry) ([]byte, error) { return entry.Payload, nil }
	for _, headers := range [][]string{nil, {"Range", "bytes=0-9"}, {"Accept-Encoding", "gzip"},
		{"If-None-Match", `"` + record.SHA256 + `"`}} {
		got := b.do(http.MethodGet, "api/exports/"+record.ID+"/download", "", headers...)
		assert.Equal(t, http.StatusForbidden, got.Code)
		assert.Equal(t, CodeUnredacted, code(t, got))
		assert.NotContains(t, got.text, "secret")
		row := b.audit()[0]
		assert.Equal(t, asyncevents.AuditRow{ID: row.ID, At: row.At, Actor: "alice", Action: "download", Target: record.ID,
			Outcome: outcomeDenied, Detail: newUnredactedProblem().Message}, row)
	}
	page := b.do(http.MethodGet, "exports", "").text
	assert.NotContains(t, page, "/download")
	assert.Contains(t, page, record.ID)
}

// Metadata may say what a payload does, so it is seen by those who see payloads as they are.
func TestMetadataIsHiddenWithPayloads(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addEntry(dlq.Entry{MessageID: "m", Payload: []byte(`{}`), Metadata: map[string]string{"customer": "ann"}})
	path := "api/queues/events/entries"
	assert.Contains(t, b.do(http.MethodGet, path, "").text, `"metadata":{"customer":"ann"}`)
	b.authorize = butFor(ActionViewPayload)
	assert.NotContains(t, b.do(http.MethodGet, path, "").text, "ann")
}
