package asyncevents

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/stretchr/testify/assert"
)

// description is the parsed openapi.yaml, with a router for requests whose prefix was stripped.
var description = sync.OnceValues(func() (*openapi3.T, routers.Router) {
	openapi3filter.RegisterBodyDecoder("application/yaml", openapi3filter.FileBodyDecoder)
	openapi3filter.RegisterBodyDecoder("application/x-ndjson", openapi3filter.FileBodyDecoder)
	for _, mediaType := range []string{mediaCloudEvent, mediaCloudEventBatch} {
		openapi3filter.RegisterBodyDecoder(mediaType, openapi3filter.JSONBodyDecoder)
	}
	document, err := openapi3.NewLoader().LoadFromData(openAPI)
	if err != nil {
		panic(err)
	}
	document.Servers = nil
	for _, schema := range document.Components.Schemas {
		closeObjects(schema.Value)
	}
	router, err := legacy.NewRouter(document)
	if err != nil {
		panic(err)
	}
	return document, router
})

// closeObjects allows objects no fields but those that are described. The description itself leaves room for later ones.
func closeObjects(schema *openapi3.Schema) {
	if len(schema.Properties) > 0 && schema.AdditionalProperties.Has == nil {
		schema.AdditionalProperties.Has = new(bool)
	}
	for _, property := range schema.Properties {
		closeObjects(property.Value)
	}
}

// described is a handler whose calls have to be those of openapi.yaml: what is not refused has to be a described request, and
// every answer a described one.
type described struct {
	t    testing.TB
	next http.Handler
}

// teed is a body of which all that was read is kept.
type teed struct {
	io.Reader
	io.Closer
}

func (d described) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var sent bytes.Buffer
	r.Body = teed{io.TeeReader(r.Body, &sent), r.Body}
	answer := httptest.NewRecorder()
	d.next.ServeHTTP(answer, r)
	d.check(r, sent.Bytes(), answer)
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
	document, router := description()
	route, vars, err := router.FindRoute(call)
	if err != nil { // such an answer has to be a described refusal
		assert.GreaterOrEqual(d.t, answer.Code, 400, "%s %s is not described", r.Method, r.URL)
		path := eventsPath + "/{correlation_id}"
		item := document.Paths.Value(path)
		route = &routers.Route{Spec: document, Path: path, PathItem: item, Method: http.MethodGet, Operation: item.Get}
	}
	request := &openapi3filter.RequestValidationInput{Request: call, PathParams: vars, Route: route,
		Options: &openapi3filter.Options{
			AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, SkipSettingDefaults: true,
			ExcludeRequestBody: isBinaryRequest(r.Header), // its form is the sender's
		}}
	if answer.Code < 400 {
		assert.NoError(d.t, openapi3filter.ValidateRequest(call.Context(), request), "%s %s: %.1000s", r.Method, r.URL, sent)
	}
	response := &openapi3filter.ResponseValidationInput{RequestValidationInput: request, Status: answer.Code,
		Header: answer.Header(), Body: io.NopCloser(bytes.NewReader(answer.Body.Bytes())),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, ExcludeResponseBody: r.Method == http.MethodHead}}
	assert.NoError(d.t, openapi3filter.ValidateResponse(call.Context(), response), "%s %s: %s", r.Method, r.URL, answer.Body)
}
