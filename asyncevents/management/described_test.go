package management

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/stretchr/testify/assert"
)

// description is the parsed openapi.yaml, with a router for the mount point of the tests.
var description = sync.OnceValues(func() (*openapi3.T, routers.Router) {
	openapi3filter.RegisterBodyDecoder("application/yaml", openapi3filter.FileBodyDecoder)
	openapi3filter.RegisterBodyDecoder("application/x-ndjson", openapi3filter.FileBodyDecoder)
	doc, err := openapi3.NewLoader().LoadFromData(openAPI)
	if err != nil {
		panic(err)
	}
	doc.Servers = openapi3.Servers{{URL: "/manage/api"}}
	router, err := legacy.NewRouter(doc)
	if err != nil {
		panic(err)
	}
	return doc, router
})

// described is a handler at /manage/ whose calls have to be those of openapi.yaml: what is not refused has to be a described
// request, and every answer a described one.
type described struct {
	t    *testing.T
	next http.Handler
}

func (d described) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/manage/api/") && strings.HasSuffix(r.URL.Path, "/import") { // a file is read as it comes, and in its own time
		copied := &copied{ResponseWriter: w, answer: httptest.NewRecorder()}
		d.next.ServeHTTP(copied, r)
		d.check(r, nil, copied.answer)
		return
	}
	sent, err := io.ReadAll(r.Body)
	assert.NoError(d.t, err)
	r.Body = io.NopCloser(bytes.NewReader(sent))
	answer := httptest.NewRecorder()
	d.next.ServeHTTP(answer, r)
	if strings.HasPrefix(r.URL.Path, "/manage/api/") {
		d.check(r, sent, answer)
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // fails where a test's client is gone
}

func (d described) check(r *http.Request, sent []byte, answer *httptest.ResponseRecorder) {
	call := r.Clone(context.Background())
	call.Body = io.NopCloser(bytes.NewReader(sent))
	if r.Method == http.MethodHead {
		call.Method = http.MethodGet
	}
	doc, router := description()
	route, vars, err := router.FindRoute(call)
	if err != nil { // such an answer has to be an error of the described shape
		assert.GreaterOrEqual(d.t, answer.Code, 400, "%s %s is not described", r.Method, r.URL)
		item := doc.Paths.Value("/queues")
		route = &routers.Route{Spec: doc, Path: "/queues", PathItem: item, Method: http.MethodGet, Operation: item.Get}
	}
	request := &openapi3filter.RequestValidationInput{Request: call, PathParams: vars, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}}
	if answer.Code < 400 && sent != nil {
		assert.NoError(d.t, openapi3filter.ValidateRequest(call.Context(), request), "%s %s: %s", r.Method, r.URL, sent)
	}
	response := &openapi3filter.ResponseValidationInput{RequestValidationInput: request, Status: answer.Code,
		Header: answer.Header(), Body: io.NopCloser(bytes.NewReader(answer.Body.Bytes())),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, ExcludeResponseBody: inPart(r, answer)}}
	assert.NoError(d.t, openapi3filter.ValidateResponse(call.Context(), response), "%s %s: %s", r.Method, r.URL, answer.Body)
}

// copied keeps a copy of what it writes.
type copied struct {
	http.ResponseWriter
	answer *httptest.ResponseRecorder
}

func (c *copied) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c *copied) WriteHeader(code int) {
	maps.Copy(c.answer.Header(), c.Header())
	c.answer.WriteHeader(code)
	c.ResponseWriter.WriteHeader(code)
}

func (c *copied) Write(p []byte) (int, error) {
	_, _ = c.answer.Write(p)
	return c.ResponseWriter.Write(p)
}

// inPart is whether the answer's body is not the described one as a whole, as it is.
func inPart(r *http.Request, answer *httptest.ResponseRecorder) bool {
	return r.Method == http.MethodHead || answer.Code == http.StatusPartialContent ||
		answer.Header().Get("Content-Encoding") != ""
}
