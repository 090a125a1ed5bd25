package asyncevents_test

import (
	"bytes"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/internal/soak"
)

// randomRequest is one that a client may well send, with a few bytes of it changed, cut or doubled.
func randomRequest(random *rand.Rand) *http.Request {
	one := func(of ...string) string { return of[random.IntN(len(of))] }
	body := []byte(one(
		`{}`, `{"customer":"c","action":"a","data":{"points":[1,2.5e3,null,true]}}`, `{"correlation_id":"a.b-1","data":{"x":"\u00e4"}}`,
		`{"specversion":"1.0","id":"1","source":"/a","type":"t","time":null,"data_base64":"e30=","x":[1]}`, `{"correlation_id":"a.b-1"}`, `[{"a":1},{"b":{"c":[[]]}}]`, "{\"a\":1}\n{\"b\":2}\n", `{"callback_url":"https://example.com/hook"}`, "",
	))
	for range random.IntN(4) {
		switch at := random.IntN(len(body) + 1); random.IntN(4) {
		case 0:
			body = body[:at]
		case 1:
			body = append(body[:at:at], body...)
		case 2:
			body = append(body[:at:at], append([]byte{byte(random.IntN(256))}, body[at:]...)...)
		case 3:
			body = bytes.Repeat(body, 1+random.IntN(3))
		}
	}
	method := one("POST", "POST", "POST", "POST", "GET", "PUT", "HEAD", "DELETE")
	path := "/v1/async/events" + one("", "", "", "/batch", "/batch", "/", "/a.b-1", "/a.b-1?wait=1ns", "/x?wait=-",
		"/..%2f", "/%00", "/openapi.yaml")
	r := httptest.NewRequest(method, path, bytes.NewReader(body))
	const usual = "application/json"
	r.Header.Set("Content-Type", one(usual, usual, usual, "application/x-ndjson", "text/xml", "\x00", "",
		"application/cloudevents+json", "application/cloudevents-batch+json"))
	if random.IntN(5) == 0 {
		for _, name := range []string{"Ce-Specversion", "Ce-Id", "Ce-Source", "Ce-Type", one("Ce-Time", "Ce-Extra", "Ce-No-Name")} {
			r.Header.Set(name, one("1.0", "1.0", "1.0", "", "%ff", "\"", "%00", "\xff"))
		}
	}
	for _, name := range []string{"Idempotency-Key", "Content-Encoding", "Traceparent"} {
		if random.IntN(10) == 0 {
			r.Header.Set(name, one("", "key", "gzip", "identity", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "\xff\r\n"))
		}
	}
	return r
}

// Whatever clients send, the answer is no 5xx and no panic, and each event that was taken is processed.
func TestRandomRequests(t *testing.T) {
	onEachLocal(t, func(t *testing.T, b *asyncevents.Backend) {
		s, _ := run(t, b, working(&starts{}, 0), func(c *asyncevents.Config) { c.CloudEvents = true })
		handler := s.Handler()
		random := rand.New(rand.NewPCG(1, 2))
		answers := map[int]int{}
		for range soak.Long(3_000, 1_000_000) {
			r := randomRequest(random)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			require.Less(t, w.Code, 500, "%s %s %q: %s", r.Method, r.URL, r.Header, w.Body)
			answers[w.Code]++
		}
		for _, status := range []int{200, 202, 400, 404, 405, 415, 422} {
			assert.Positive(t, answers[status], status)
		}
		awaitIdle(t, s, asyncevents.EventsQueue)
		assert.Zero(t, count(t, s, asyncevents.EventsQueue))
	})
}
