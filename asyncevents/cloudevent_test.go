package asyncevents

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// newCloudDesk is a desk that takes CloudEvents.
func newCloudDesk(t testing.TB) *desk {
	return newDesk(t, func(c *handlerConfig) { c.cloudEvents = true })
}

// binary are the headers of a CloudEvent in binary content mode, and more; "" takes one away.
func binary(contentType string, more ...string) []string {
	headers := []string{
		"Content-Type", contentType, "Ce-Specversion", "1.0", "Ce-Id", "1234", "Ce-Source", "/shop", "Ce-Type", "com.example.bought",
	}
	return append(headers, more...)
}

// structured is a CloudEvent in structured content mode with more members.
func structured(more string) string {
	return `{"specversion":"1.0","id":"1234","source":"/shop","type":"com.example.bought"` + more + `}`
}

const structuredType = "application/cloudevents+json"

func (d *desk) lastEvent(t *testing.T) Event {
	t.Helper()
	require.NotEmpty(t, d.intake.events)
	return d.intake.events[len(d.intake.events)-1]
}

// The same CloudEvent in each content mode is the same to the processor, but for the body, which is what was sent.
func TestCloudEventContentModes(t *testing.T) {
	t.Parallel()
	const data = `{"points":120, "callback_url":"https://shop.example/hook"}`
	inEnvelope := structured(`,"datacontenttype":"application/json","subject":"a ü","time":"2026-04-05T17:31:00.5+02:00",` +
		`"dataschema":"urn:s","customer":"c-1","partial":true,"count":-5,"nothing":null,"data": ` + data)
	d := newCloudDesk(t)
	require.Equal(t, 202, d.post(inEnvelope, "Content-Type", "application/cloudevents+json; charset=UTF-8").Code)
	fromStructured := d.lastEvent(t)
	require.Equal(t, 202, d.post(data, binary("application/json",
		"Ce-Subject", "a%20%C3%bc", "Ce-Time", "2026-04-05T17:31:00.5+02:00", "Ce-Dataschema", "urn:s", "Ce-Customer", "c-1",
		"Ce-Partial", "true", "Ce-Count", "-5")...).Code)
	fromBinary := d.lastEvent(t)
	status := d.do(http.MethodPost, batchPath, strings.NewReader("[ "+inEnvelope+"]"),
		"Content-Type", "application/cloudevents-batch+json").Code
	require.Equal(t, 202, status)
	fromBatch := d.lastEvent(t)

	at := time.Date(2026, 4, 5, 15, 31, 0, 500_000_000, time.UTC)
	for mode, event := range map[string]Event{"structured": fromStructured, "binary": fromBinary, "batch": fromBatch} {
		require.NotNil(t, event.CloudEvent, mode)
		assert.WithinDuration(t, at, event.CloudEvent.Time, 0, mode)
		event.CloudEvent.Time = time.Time{}
		assert.Equal(t, CloudEvent{
			ID: "1234", Source: "/shop", Type: "com.example.bought", Subject: "a ü", DataContentType: "application/json",
			DataSchema: "urn:s", Extensions: map[string]string{"customer": "c-1", "partial": "true", "count": "-5"}, Data: []byte(data),
		}, *event.CloudEvent, mode)
		assert.Equal(t, "com.example.bought", event.Action, mode)
		assert.Equal(t, "c-1", event.Customer, mode)
		assert.Equal(t, "https://shop.example/hook", event.CallbackURL, mode)
		assert.Equal(t, data, string(event.Data), mode)
	}
	assert.Equal(t, inEnvelope, string(fromStructured.Body), "byte for byte")
	assert.Equal(t, inEnvelope, string(fromBatch.Body))
	assert.Equal(t, data, string(fromBinary.Body))
}

// Data is what the sender had, whatever it is and however it travelled.
func TestCloudEventData(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		contentType, body string // a structured one where the type is that
		data, asJSON      string
	}{
		{"application/xml", "<much wow=\"xml\"/>", "<much wow=\"xml\"/>", ""},
		{"application/octet-stream", "\x00\xff\xfe", "\x00\xff\xfe", ""},
		{"application/vnd.x+json; charset=utf-8", `"text"`, `"text"`, `"text"`},
		{"application/json", `[1,2]`, `[1,2]`, `[1,2]`},
		{"application/json", ``, ``, ``},
		{"", "\x01", "\x01", ""},
		{structuredType, structured(``), ``, ``},
		{structuredType, structured(`,"data":null`), `null`, ``},
		{structuredType, structured(`,"data":"I'm just a string"`), `"I'm just a string"`, `"I'm just a string"`},
		{structuredType, structured(`,"datacontenttype":"application/xml","data":"<a b=\"c\"/>"`), `<a b="c"/>`, ``},
		{structuredType, structured(`,"datacontenttype":"text/plain","data":null`), ``, ``},
		{structuredType, structured(`,"datacontenttype":"image/x","data_base64":"AP/+"`), "\x00\xff\xfe", ``},
		{structuredType, structured(`,"data_base64":"eyJhIjoxfQ=="`), `{"a":1}`, `{"a":1}`},
		{structuredType, structured(`,"data_base64":""`), ``, ``},
	} {
		d := newCloudDesk(t)
		headers := binary(tc.contentType)
		if tc.contentType == structuredType {
			headers = []string{"Content-Type", structuredType}
		}
		w := d.post(tc.body, headers...)
		if !assert.Equal(t, 202, w.Code, "%s: %s", tc.body, w.Body) {
			continue
		}
		event := d.lastEvent(t)
		assert.Equal(t, tc.data, string(event.CloudEvent.Data), tc.body)
		assert.Equal(t, tc.asJSON, string(event.Data), tc.body)
		assert.Equal(t, tc.body, string(event.Body))
	}
}

// What is not quite a CloudEvent is refused, not taken for something else.
func TestCloudEventsRefused(t *testing.T) {
	t.Parallel()
	const usual = "application/json"
	for name, headers := range map[string][]string{
		"no id": binary(usual, "Ce-Id", ""), "no type": binary(usual, "Ce-Type", ""), "no source": binary(usual, "Ce-Source", ""),
		"no version": binary(usual, "Ce-Specversion", ""), "version 0.3": binary(usual, "Ce-Specversion", "0.3"),
		"bad time": binary(usual, "Ce-Time", "yesterday"), "bad name": binary(usual, "Ce-Not-A-Name", "x"),
		"bad UTF-8": binary(usual, "Ce-Subject", "%C0%A0"), "line break": binary(usual, "Ce-Subject", "a%0d%0aX: y"),
		"type twice": binary(usual, "Ce-Datacontenttype", usual), "data": binary(usual, "Ce-Data", "x"),
		"much": binary(usual, "Ce-Subject", strings.Repeat("x", maxAttributes)),
		"type": binary("application/" + strings.Repeat("x", maxAttributes)),
	} {
		d := newCloudDesk(t)
		assert.Equal(t, 400, d.post(`{}`, headers...).Code, name)
		assert.Empty(t, d.intake.bodies, name)
	}
	for _, body := range []string{``, `{`, `{}{}`, `{"a":1,"a":2}`, "\"\xff\"", nested(maxDepth + 1), `{"callback_url":5}`} {
		if d := newCloudDesk(t); body != "" {
			assert.Equal(t, 400, d.post(body, binary(usual)...).Code, body)
		}
		assert.Equal(t, 400, newCloudDesk(t).post(body, "Content-Type", structuredType).Code, body)
	}
	for _, more := range []string{
		`,"id":"5"`, `,"Upper":"x"`, `,"under_score":"x"`, `,"object":{}`, `,"array":[]`, `,"fraction":1.5`, `,"wide":2147483648`,
		`,"time":"5"`, `,"data":1,"data_base64":"AA=="`, `,"data_base64":"*"`, `,"data_base64":5`, `,"data_base64":"ew=="`,
		`,"datacontenttype":"text/plain","data":{}`, `,"subject":"a\u0000b"`, `,"callback_url":"https://x.example"`, `,"a":{"b":1,"b":2}`,
		`,"":"x"`, `,"data":` + nested(maxDepth),
	} {
		w := newCloudDesk(t).post(structured(more), "Content-Type", structuredType)
		assert.Equal(t, 400, w.Code, "%s: %s", more, w.Body)
	}
	for _, contentType := range []string{"application/cloudevents+avro", "application/cloudevents-batch+json", "application/cloudevents"} {
		assert.Equal(t, 415, newCloudDesk(t).post(structured(``), binary(contentType)...).Code, contentType)
	}
	status, _ := newCloudDesk(t).postBatch(structuredType, structured(``))
	assert.Equal(t, 415, status)
	twice := binary("text/xml")
	d := newCloudDesk(t)
	r := d.request(http.MethodPost, eventsPath, strings.NewReader("<x/>"), twice...)
	r.Header.Add("Content-Type", "text/plain")
	assert.Equal(t, 415, d.serve(r).Code)
}

// Without the option, CloudEvents are what they were: JSON, or of a media type that is not taken.
func TestCloudEventsAreAnOption(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	require.Equal(t, 202, d.post(`{"action":"a"}`, binary("application/json")...).Code)
	assert.Nil(t, d.lastEvent(t).CloudEvent)
	assert.Equal(t, "a", d.lastEvent(t).Action)
	assert.Equal(t, 415, d.post(structured(``), "Content-Type", structuredType).Code)
	status, _ := d.postBatch("application/cloudevents-batch+json", "["+structured(``)+"]")
	assert.Equal(t, 415, status)
}

// Header values are decoded as the HTTP binding says, and those of senders that do not encode are left as they are.
func TestCloudEventHeaderValues(t *testing.T) {
	t.Parallel()
	for sent, value := range map[string]string{
		"Euro%20%E2%82%AC%20%F0%9F%98%80": "Euro € 😀", `"a \"b\" %63"`: `a "b" c`, "a+b": "a+b", "100%": "100%", "%7e%2F": "~/", `"`: `"`,
		"%2541": "%41", `"\`: `"\`, "": "",
	} {
		assert.Equal(t, value, attributeOf(sent), sent)
	}
}

// Validators see CloudEvents as what they are.
func TestCloudEventsAreValidated(t *testing.T) {
	t.Parallel()
	validate := All(RequireFields("customer", "action", "data", "subject", "tenant"), AllowedActions("com.example.bought"))
	for more, ok := range map[string]bool{
		`,"customer":"c","subject":"s","tenant":"t","data":{}`:  true,
		`,"customer":"c","subject":"s","tenant":"t","data":[]`:  false,
		`,"customer":"c","subject":"","tenant":"t","data":{}`:   false,
		`,"customer":"c","subject":"s","tenant":null,"data":{}`: false,
		`,"subject":"s","tenant":"t","data":{"customer":"c"}`:   false,
	} {
		s := Submission{Body: []byte(structured(more)), ContentType: structuredType}
		event, problem := parseEvent(s.Body, s.metadata())
		require.Nil(t, problem, more)
		assert.Equal(t, ok, validate.check(t.Context(), &event) == nil, more)
	}
}

func FuzzCloudEvent(f *testing.F) {
	f.Add([]byte(structured(`,"data":{"a":1}`)), true)
	f.Add([]byte(`{"a":[1]}`), false)
	f.Fuzz(func(t *testing.T, body []byte, inBody bool) {
		s := Submission{Body: body, ContentType: structuredType}
		if !inBody {
			s.ContentType = "application/json"
			s.Attributes = map[string]string{"specversion": "1.0", "id": "1", "source": "s", "type": string(body)}
		}
		kept := string(body)
		event, problem := parseEvent(body, s.metadata())
		assert.Equal(t, kept, string(body))
		if problem == nil {
			assert.NotEmpty(t, event.Action)
			assert.Equal(t, kept, string(event.Body))
			_ = hashOf(body, s.metadata())
		}
	})
}
