package management

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
)

// editReply is the answer to an edit, or an original.
type editReply struct {
	DryRun     bool `json:"dry_run"`
	Difference string
	Entry      struct {
		ID, CorrelationID string
		Payload           any
		PayloadHidden     bool `json:"payload_hidden"`
	}
}

const editPath = "api/queues/events/entries/1/edit"

func TestEditAndRetry(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.add("one", `{"customer":"c","n":1}`)
	difference := "--- before\n+++ after\n@@ -1,4 +1,4 @@\n {\n   \"customer\": \"c\",\n-  \"n\": 1\n+  \"n\": 2\n }\n"

	dry := decode[editReply](t, b.do(http.MethodPost, editPath, `{"payload":{"customer":"c","n":2},"dry_run":true}`))
	assert.Equal(t, editReply{DryRun: true, Difference: difference}, dry)
	require.EqualValues(t, 1, b.depth())
	assert.Equal(t, "dry run", b.audit()[0].Detail)
	assert.Equal(t, http.StatusNotFound, b.do(http.MethodGet, "api/queues/events/entries/1/original", "").Code)

	moved := decode[editReply](t, b.do(http.MethodPost, editPath, `{"payload":{"customer":"c", "n":2}}`))
	assert.Equal(t, difference, moved.Difference)
	assert.Equal(t, map[string]any{"customer": "c", "n": 2.0}, moved.Entry.Payload)
	require.Zero(t, b.depth())
	row := b.audit()[0]
	assert.Equal(t, asyncevents.AuditRow{
		ID: row.ID, At: row.At, Actor: "alice", Action: "edit", Queue: "events", Target: "1", CorrelationID: "one",
		Count: 1, Outcome: outcomeAllowed,
		Detail: "payload changed from " + digest([]byte(`{"customer":"c","n":1}`)) + " to " + digest([]byte(`{"customer":"c", "n":2}`)),
	}, row)
	assert.Equal(t, http.StatusNotFound, b.do(http.MethodPost, editPath, `{"payload":{"n":3}}`).Code, "it is moved")

	b.add("one", `{"customer":"c", "n":2}`) // it failed again
	page := b.do(http.MethodGet, "queues/events/entries/"+b.ids()[0], "").text
	assert.Contains(t, page, "-  &#34;n&#34;: 1\n&#43;  &#34;n&#34;: 2\n")
	original := decode[editReply](t, b.do(http.MethodGet, "api/queues/events/entries/"+b.ids()[0]+"/original", ""))
	assert.Equal(t, map[string]any{"customer": "c", "n": 1.0}, original.Entry.Payload)
	assert.Equal(t, difference, original.Difference)
}

func TestEditTakesAnyBytes(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.add("one", "\xff not JSON")
	got := b.do(http.MethodPost, editPath, `{"payload_base64":"eyAiYSIgOiAxIH0="}`)
	require.Equal(t, http.StatusOK, got.Code, got.text)
	assert.Contains(t, got.text, `"payload":{ "a" : 1 }`, "byte for byte")
}

// The new payload of a CloudEvent has to be one, of the kind that it was.
func TestEditOfACloudEvent(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addEntry(dlq.Entry{Queue: asyncevents.EventsQueue, MessageID: "binary", Payload: []byte("<a/>"), Metadata: map[string]string{
		"content-type": "application/xml", "ce_specversion": "1.0", "ce_id": "1", "ce_source": "/", "ce_type": "t"}})
	b.addEntry(dlq.Entry{Queue: asyncevents.EventsQueue, MessageID: "structured",
		Payload:  []byte(`{"specversion":"1.0","id":"1","source":"/","type":"t"}`),
		Metadata: map[string]string{"content-type": "application/cloudevents+json"}})
	got := b.do(http.MethodPost, editPath, `{"payload_base64":"PGIvPg=="}`)
	assert.Equal(t, http.StatusOK, got.Code, got.text)
	structured := strings.Replace(editPath, "1", "2", 1)
	got = b.do(http.MethodPost, structured, `{"payload":{"specversion":"1.0","source":"/","type":"t"}}`)
	assert.Equal(t, http.StatusBadRequest, got.Code)
	assert.Contains(t, got.text, "Property 'id' cannot be empty")
	got = b.do(http.MethodPost, structured, `{"payload":{"specversion":"1.0","id":"1","source":"/","type":"u"}}`)
	assert.Equal(t, http.StatusOK, got.Code, got.text)
}

func TestEditRefuses(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.add("one", `{"n":1}`)
	b.addEntry(dlq.Entry{Queue: asyncevents.CallbacksQueue, MessageID: "two", Payload: []byte(`{"url":"https://a.example/"}`)})
	for body, want := range map[string]string{
		``:                                   "either 'payload' or",
		`{"payload":{},"payload_base64":""}`: "either 'payload' or",
		`{"payload_base64":"?"}`:             "base64",
		`{"payload_base64":7}`:               "base64",
		`{"payload":[1]}`:                    "JSON object",
		`{"payload":null}`:                   "JSON object",
		`{"payload_base64":"eyJhIjoxLCJhIjoyfQ=="}`: "duplicate key",
		`{"payload":{ "n" : 1 }}`:                   "white space",
		`{"payload":{},"dry_run":1}`:                "dry_run",
		`{"payload":{},"more":1}`:                   "more",
	} {
		got := b.do(http.MethodPost, editPath, body)
		assert.Equal(t, http.StatusBadRequest, got.Code, body)
		assert.Contains(t, decode[errorBody](t, got).Error.Message, want, body)
	}
	for _, body := range []string{`{"payload":[]}`, `{"payload":{"body":{}}}`} {
		got := b.do(http.MethodPost, "api/queues/callbacks/entries/2/edit", body)
		assert.Equal(t, http.StatusBadRequest, got.Code, body)
		assert.Contains(t, got.text, "Not a callback", body)
	}
	assert.EqualValues(t, 1, b.depth())
	got := b.do(http.MethodPost, editPath, `{"payload":{"text":"`+strings.Repeat("x", maxEdit)+`"}}`)
	assert.Equal(t, http.StatusRequestEntityTooLarge, got.Code)
	large := b.do(http.MethodPost, editPath, `{"payload":{"text":"`+strings.Repeat("x", maxEdit/2)+`"}}`)
	assert.Equal(t, http.StatusOK, large.Code)
}

// Whoever must not see a payload learns nothing of it by changing it.
func TestEditTellsNothingOfWhatIsHidden(t *testing.T) {
	t.Parallel()
	for name, hide := range map[string]func(*bundle){
		"no right": func(b *bundle) { b.authorize = butFor(ActionViewPayload) },
		"redacted": func(b *bundle) {
			b.cfg.Redact = func(context.Context, dlq.Entry) ([]byte, error) { return []byte(`{}`), nil }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, nil)
			b.add("one", `{"secret":"s3cr3t"}`)
			require.Equal(t, http.StatusOK, b.do(http.MethodPost, editPath, `{"payload":{"n":2}}`).Code)
			b.add("one", `{"secret":"s3cr3t again"}`)
			hide(b)
			for _, body := range []string{`{"payload":{"n":2},"dry_run":true}`, `{"payload":{"n":2}}`} {
				got := b.do(http.MethodPost, strings.Replace(editPath, "1", b.ids()[0], 1), body)
				assert.Equal(t, http.StatusForbidden, got.Code)
				assert.NotContains(t, got.text, "s3cr3t")
			}
			assert.EqualValues(t, 1, b.depth())
			got := b.do(http.MethodGet, "api/queues/events/entries/"+b.ids()[0]+"/original", "")
			require.Equal(t, http.StatusOK, got.Code)
			assert.NotContains(t, got.text, "s3cr3t")
			assert.NotContains(t, got.text, "difference")
			page := b.do(http.MethodGet, "queues/events/entries/"+b.ids()[0], "").text
			assert.NotContains(t, page, "s3cr3t")
			assert.Contains(t, page, "hidden from you")
		})
	}
}

func TestEditOnThePage(t *testing.T) {
	t.Parallel()
	const page = "queues/events/entries/1/edit"
	b := newBundle(t, nil)
	b.add("one", `{"text":"<script>","n":1}`)
	assert.Contains(t, b.do(http.MethodGet, "queues/events/entries/1", "").text, "entries/1/edit")
	got := b.do(http.MethodGet, page, "")
	assert.Contains(t, got.text, "&#34;text&#34;: &#34;&lt;script&gt;&#34;")
	assert.NotContains(t, got.text, `value="retry"`, "the difference comes first")

	got = b.submit(page, url.Values{"step": {"difference"}, "payload": {"{\r\n  \"text\": \"<script>\",\r\n  \"n\": 2\r\n}"}})
	require.Equal(t, http.StatusOK, got.Code, got.text)
	assert.Contains(t, got.text, "-  &#34;n&#34;: 1\n&#43;  &#34;n&#34;: 2\n")
	assert.Contains(t, got.text, `value="retry"`)
	assert.Equal(t, "dry run", b.audit()[0].Detail)
	require.EqualValues(t, 1, b.depth())

	assert.Equal(t, http.StatusBadRequest, b.submit(page, url.Values{"step": {"retry"}, "payload": {"[]"}}).Code)
	require.EqualValues(t, 1, b.depth())
	got = b.submit(page, url.Values{"step": {"retry"}, "payload": {`{"n":2}`}})
	assert.Equal(t, http.StatusSeeOther, got.Code)
	assert.Contains(t, got.Header().Get("Location"), "queues/events?flash=retried")
	assert.Zero(t, b.depth())
	got = b.submit(page, url.Values{"step": {"retry"}, "payload": {`{"n":3}`}})
	assert.Contains(t, got.Header().Get("Location"), "flash=203522", "it is moved")

	b.add("binary", "\xff")
	got = b.do(http.MethodGet, "queues/events/entries/"+b.ids()[0]+"/edit", "")
	assert.Equal(t, http.StatusBadRequest, got.Code)
	assert.Contains(t, got.text, "no text")
	b.authorize = butFor(ActionEdit)
	assert.NotContains(t, b.do(http.MethodGet, "queues/events/entries/"+b.ids()[0], "").text, "/edit")
	b.authorize = butFor(ActionViewPayload)
	assert.NotContains(t, b.do(http.MethodGet, "queues/events/entries/"+b.ids()[0], "").text, "/edit")
	assert.Equal(t, http.StatusForbidden, b.do(http.MethodGet, "queues/events/entries/"+b.ids()[0]+"/edit", "").Code)
}
