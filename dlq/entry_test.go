package dlq_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

var entryTime = time.Date(2026, 1, 2, 4, 4, 5, 600, time.FixedZone("", 3600))

func sampleEntry(payload string) dlq.Entry {
	return dlq.Entry{
		ID: 7, Queue: "events", Topic: "redrive.events", MessageID: "msg", CorrelationID: "corr", CreatedAt: entryTime, AcceptedAt: entryTime,
		Payload: []byte(payload), Metadata: map[string]string{"authorization": "secret", "X-Api-Key": "secret", "redrive_x": "secret",
			"traceparent": "00-1"},
		Failure:  dlq.Failure{Type: "*errors.errorString", Message: "<b>busy</b>", Stack: "secret stack"},
		Attempts: retry.History{{Number: 1, StartedAt: entryTime.UTC(), DurationMS: 12, Error: "busy"}},
		Redrives: 2, Exported: true,
	}
}

func TestEntryJSON(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(sampleEntry(`{"a": 1}`))
	require.NoError(t, err)
	assert.JSONEq(t, `{"id":"7","queue":"events","created_at":"2026-01-02T03:04:05.0000006Z","correlation_id":"corr",
		"message_id":"msg","topic":"redrive.events","metadata":{"traceparent":"00-1"},
		"payload":{"a":1},"error":{"type":"*errors.errorString","message":"<b>busy</b>"},
		"attempts":[{"number":1,"started_at":"2026-01-02T03:04:05.0000006Z","duration_ms":12,"error":"busy"}],
		"redrives":2,"accepted_at":"2026-01-02T03:04:05.0000006Z","exported":true}`, string(text))
	assert.NotContains(t, string(text), "secret")

	text, err = json.Marshal(dlq.Entry{Payload: []byte("1")})
	require.NoError(t, err)
	assert.Contains(t, string(text), `"attempts":[]`, "never null")
	assert.NotContains(t, string(text), "accepted_at")
}

func TestEntryJSONPayloads(t *testing.T) {
	t.Parallel()
	for _, payload := range []string{
		`{ "b":1,  "a":[1 , 2],"a":1e400}`, "\n{}\t\r\n", `"<script>&\u2028` + "\u2028" + `"`, `null`, `12345678901234567890.10`,
		`"\ud800"`, strings.Repeat("[", 500) + strings.Repeat("]", 500),
	} {
		text, err := sampleEntry(payload).AppendJSON([]byte("x"))
		require.NoError(t, err)
		assert.Contains(t, string(text), `"payload":`+payload+`,"error"`, "byte for byte")
		assert.True(t, json.Valid(text[1:]))
	}
	for _, payload := range []string{"", "not json", "{} {}", "\"\xff\"", "\x00\x01", "\xef\xbb\xbf{}"} {
		text, err := sampleEntry(payload).AppendJSON(nil)
		require.NoError(t, err)
		assert.Contains(t, string(text), `"payload_base64":"`+base64.StdEncoding.EncodeToString([]byte(payload))+`"`)
		assert.NotContains(t, string(text), `"payload":`)
	}
}

func TestEntryJSONSaysThatThePayloadIsHidden(t *testing.T) {
	t.Parallel()
	for _, payload := range []string{"", `{"secret":1}`, "secret"} {
		entry := sampleEntry(payload)
		entry.PayloadHidden = true
		text, err := entry.AppendJSON(nil)
		require.NoError(t, err)
		assert.True(t, json.Valid(text))
		assert.Contains(t, string(text), `,"payload_hidden":true,"error"`)
		assert.NotRegexp(t, `secret|"payload"|payload_base64`, string(text))
	}
}

func FuzzEntryJSON(f *testing.F) {
	f.Add([]byte(`{"a":1}`), "error")
	f.Add([]byte("\xff"), "\xff")
	f.Fuzz(func(t *testing.T, payload []byte, message string) {
		entry := dlq.Entry{ID: 1, Payload: payload, Failure: dlq.Failure{Message: message}}
		text, err := entry.AppendJSON(nil)
		require.NoError(t, err)
		var got struct {
			ID     string          `json:"id"`
			Raw    json.RawMessage `json:"payload"`
			Base64 []byte          `json:"payload_base64"`
		}
		require.NoError(t, json.Unmarshal(text, &got))
		assert.Equal(t, "1", got.ID)
		if got.Raw != nil {
			assert.Equal(t, strings.Trim(string(payload), " \t\r\n"), string(got.Raw))
			assert.Contains(t, string(text), string(payload))
		} else {
			assert.Equal(t, string(payload), string(got.Base64))
		}
	})
}
