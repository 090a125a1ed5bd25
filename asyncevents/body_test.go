package asyncevents

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseBodyReadsTheEnvelope(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		body string
		want envelope
	}{
		"all": {
			`{"customer":"c","action":"a","data":{"n":1}}`, envelope{customer: "c", action: "a", data: raw(`{"n":1}`)}},
		"nothing known": {` {"x":[1,{"customer":"no"}]} `, envelope{}},
		"spaces kept":   {"{ \"data\" :\t{ \"n\" : 1 } \n}", envelope{data: raw(`{ "n" : 1 }`)}},
		"escaped":       {`{"\u0063ustomer":"\u00e4\n","\u0064ata":{}}`, envelope{customer: "ä\n", data: raw(`{}`)}},
		"not strings":   {`{"customer":7,"action":["a"],"data":"text"}`, envelope{data: raw(`"text"`)}},
		"null is absent": {
			`{"customer":null,"action":null,"data":null,"callback_url":null,"correlation_id":null}`, envelope{}},
		"data is a list": {
			`{"data":[{"callback_url":"https://no.example"}]}`, envelope{data: raw(`[{"callback_url":"https://no.example"}]`)}},
		"data is a number": {`{"data": -1.5e3}`, envelope{data: raw(`-1.5e3`)}},
		"correlation id":   {`{"correlation_id":"A-z_0.9:"}`, envelope{correlationID: "A-z_0.9:"}},
		"callback at the top wins": {
			`{"data":{"callback_url":"https://b.example"},"callback_url":"https://a.example"}`,
			envelope{callbackURL: "https://a.example", data: raw(`{"callback_url":"https://b.example"}`)}},
		"callback in data": {
			`{"callback_url":null,"data":{"x":{"callback_url":"no"},"callback_url":"https:\/\/b.example"}}`,
			envelope{callbackURL: "https://b.example",
				data: raw(`{"x":{"callback_url":"no"},"callback_url":"https:\/\/b.example"}`)}},
		"a bad one in data is not read when the top has one": {
			`{"callback_url":"https://a.example","data":{"callback_url":1}}`,
			envelope{callbackURL: "https://a.example", data: raw(`{"callback_url":1}`)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, problem := parseBody([]byte(tc.body))
			require.Nil(t, problem)
			assert.Equal(t, tc.want, got)
		})
	}
}

func raw(text string) json.RawMessage { return json.RawMessage(text) }

func TestParseBodyRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		body, message string
		code          int
	}{
		"empty":              {"", "empty", CodeMalformed},
		"spaces":             {" \n\t", "empty", CodeMalformed},
		"array":              {`[{}]`, "not a JSON object", CodeMalformed},
		"string":             {`"x"`, "not a JSON object", CodeMalformed},
		"null":               {`null`, "not a JSON object", CodeMalformed},
		"text":               {`hello`, "malformed JSON at byte 0", CodeMalformed},
		"byte order mark":    {"\xef\xbb\xbf{}", "malformed", CodeMalformed},
		"cut":                {`{"data":{"a":1`, "ends early", CodeMalformed},
		"trailing object":    {`{}{}`, "data after it", CodeMalformed},
		"trailing text":      {`{} x`, "malformed JSON at byte 3", CodeMalformed},
		"trailing comma":     {`{"a":1,}`, "malformed", CodeMalformed},
		"duplicate":          {`{"a":1,"a":2}`, "duplicate key", CodeMalformed},
		"duplicate, escaped": {`{"action":1,"\u0061ction":2}`, "duplicate key", CodeMalformed},
		"duplicate, deep":    {`{"x":[{"data":{"a":1,"b":2,"a":3}}]}`, "duplicate key", CodeMalformed},
		"duplicate in data":  {`{"data":{"a":1,"a":3}}`, "duplicate key", CodeMalformed},
		"invalid UTF-8":      {"{\"a\":\"\xff\"}", "invalid UTF-8", CodeMalformed},
		"invalid UTF-8 name": {"{\"\xc3\":1}", "invalid UTF-8", CodeMalformed},
		"half a surrogate":   {`{"a":"\ud800"}`, "malformed", CodeMalformed},
		"control character":  {"{\"a\":\"\x00\"}", "malformed", CodeMalformed},
		"depth 65":           {nested(65), "deeper than 64", CodeMalformed},
		"callback no string": {`{"callback_url":["https://a.example"]}`, "callback_url", CodeInvalidProperty},
		"callback empty":     {`{"callback_url":""}`, "callback_url", CodeInvalidProperty},
		"callback in data":   {`{"data":{"callback_url":false}}`, "callback_url", CodeInvalidProperty},
		"id no string":       {`{"correlation_id":7}`, "correlation_id", CodeInvalidProperty},
		"id empty":           {`{"correlation_id":""}`, "correlation_id", CodeInvalidProperty},
		"id too long":        {`{"correlation_id":"` + strings.Repeat("x", 129) + `"}`, "correlation_id", CodeInvalidProperty},
		"id with a quote":    {`{"correlation_id":"a\"b"}`, "correlation_id", CodeInvalidProperty},
		"id with a path":     {`{"correlation_id":"../../etc/passwd"}`, "correlation_id", CodeInvalidProperty},
		"id with a newline":  {`{"correlation_id":"a\r\nSet-Cookie: x=1"}`, "correlation_id", CodeInvalidProperty},
		"id with NUL":        {`{"correlation_id":"a\u0000"}`, "correlation_id", CodeInvalidProperty},
		"id not ASCII":       {`{"correlation_id":"ä"}`, "correlation_id", CodeInvalidProperty},
		"id is a dot":        {`{"correlation_id":"."}`, "correlation_id", CodeInvalidProperty},
		"id is two dots":     {`{"correlation_id":".."}`, "correlation_id", CodeInvalidProperty},
		"id of our own path": {`{"correlation_id":"openapi.yaml"}`, "correlation_id", CodeInvalidProperty},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, problem := parseBody([]byte(tc.body))
			require.NotNil(t, problem)
			assert.Equal(t, envelope{}, got)
			assert.Equal(t, 400, problem.HTTPStatus)
			assert.Equal(t, tc.code, problem.Code)
			assert.Contains(t, problem.Message, tc.message)
		})
	}
}

// nested returns a body that is nested that deep, and valid.
func nested(depth int) string {
	return `{"a":` + strings.Repeat("[", depth-1) + strings.Repeat("]", depth-1) + `}`
}

func TestParseBodyDepth(t *testing.T) {
	t.Parallel()
	for _, body := range []string{nested(64), `{"data":` + nested(63) + `}`} {
		_, problem := parseBody([]byte(body))
		assert.Nil(t, problem)
	}
	objects := strings.Repeat(`{"a":`, 1_000_000)
	for _, body := range []string{nested(1_000_000), objects, `{"data":` + nested(64) + `}`, `{"data":` + objects} {
		_, problem := parseBody([]byte(body))
		require.NotNil(t, problem)
		assert.Contains(t, problem.Message, "deeper than 64")
	}
}

// A refusal at depth 65 must not depend on how much follows.
func TestParseBodyRefusesDepthAtOnce(t *testing.T) {
	body := []byte(nested(1_000_000))
	parseBody(body)
	assert.Less(t, testing.AllocsPerRun(10, func() { parseBody(body) }), 20.0)
}

func TestParseBodyKeepsTheBody(t *testing.T) {
	t.Parallel()
	const text = `{"customer":"c","data":{"a":"\u00e4","callback_url":"https://a.example"},"more":[1,2]}`
	body := []byte(text)
	got, problem := parseBody(body)
	require.Nil(t, problem)
	_, problem = parseBody([]byte(`{"data":{"other":"body in the same parser, long enough to overwrite"}}`))
	require.Nil(t, problem)
	_ = append(got.data, "XXXX"...)
	assert.Equal(t, text, string(body))
	assert.Same(t, &body[strings.Index(text, `{"a"`)], &got.data[0])
}

func TestParseBodyConcurrently(t *testing.T) {
	t.Parallel()
	done := make(chan error)
	for worker := range 8 {
		go func() {
			body := fmt.Appendf(nil, `{"customer":"c%d","data":[%d]}`, worker, worker)
			var err error
			for range 200 {
				got, problem := parseBody(body)
				if problem != nil || got.customer != fmt.Sprint("c", worker) || string(got.data) != fmt.Sprintf("[%d]", worker) {
					err = fmt.Errorf("worker %d got %+v, %w", worker, got, problem)
				}
			}
			done <- err
		}()
	}
	for range 8 {
		assert.NoError(t, <-done)
	}
}

// A fault is told without repeating what was sent.
func TestParseBodyDoesNotEcho(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"secret":1,"secret":2}`, `{"a":secret}`, `{"correlation_id":"secret!"}`, `{"callback_url":["secret"]}`,
	} {
		_, problem := parseBody([]byte(body))
		require.NotNil(t, problem)
		assert.NotContains(t, problem.Message, "secret")
	}
}

func FuzzParseBody(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"customer":"c","action":"a","data":{"callback_url":"https://a.example"},"correlation_id":"x"}`,
		`{"\u0064ata": {"a" : [1, 2.5e-3, null, true]} }`, `{"data":{"a":{}}}{}`, `{"a":1,"a":2}`, "{\"\xff\":1}", nested(65),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		got, problem := parseBody(body)
		require.Equal(t, before, body)
		if problem != nil {
			require.Equal(t, envelope{}, got)
			require.Equal(t, 400, problem.HTTPStatus)
			return
		}
		var fields map[string]json.RawMessage
		require.True(t, json.Valid(body))
		require.NoError(t, json.Unmarshal(body, &fields))
		data := string(fields["data"])
		if data == "null" {
			data = ""
		}
		require.Equal(t, data, string(got.data))
		require.Equal(t, textOf(fields["customer"]), got.customer)
		require.Equal(t, textOf(fields["action"]), got.action)
		require.Equal(t, textOf(fields["correlation_id"]), got.correlationID)
		require.True(t, mayBeChosen(got.correlationID))
	})
}

// textOf is the string in value, "" for anything else.
func textOf(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) != nil {
		return ""
	}
	return text
}

func BenchmarkParseBody(b *testing.B) {
	const small = `{"customer":"customer-4711","action":"points.add","correlation_id":"62cc313988befe60e3413e75",` +
		`"data":{"points":120,"reason":"purchase","n":1}}`
	for name, body := range map[string]string{
		"bytes=140": small,
		// The usual webhook: some objects in a list, mostly short strings.
		"bytes=8K": benchBody(8<<10, "[",
			`{"sku":"A-%06[1]d","url":"https://shop.example/products/A-%06[1]d/details","price":19.95,"gift":false}`, "]"),
		// The worst case: many names in one object, each of which has to be remembered.
		"bytes=8K,wide": benchBody(8<<10, "{", `"line_%06d":1`, "}"),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			sent := []byte(body)
			for b.Loop() {
				if _, problem := parseBody(sent); problem != nil {
					b.Fatal(problem)
				}
			}
		})
	}
}

// benchBody returns a body of about that many bytes, whose data holds many of the items.
func benchBody(size int, open, item, end string) string {
	var body strings.Builder
	body.WriteString(`{"customer":"customer-4711","action":"order.paid","data":{"lines":` + open)
	for i := 0; body.Len() < size-len(item); i++ {
		if i > 0 {
			body.WriteString(",")
		}
		fmt.Fprintf(&body, item, i)
	}
	return body.String() + end + "}}"
}
