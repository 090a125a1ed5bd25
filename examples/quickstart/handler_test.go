package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/memory"
	"github.com/redrive-go/redrive/export"
)

const goodBody = `{"customer":"c","action":"point_add","data":{}}`

func TestHealthAndFront(t *testing.T) {
	t.Parallel()
	r := start(t)
	for path, want := range map[string]string{"/healthz": "ok\n", "/readyz": "ready\n"} {
		status, answer := r.do(t, http.MethodGet, path, "")
		assert.Equal(t, http.StatusOK, status)
		assert.Equal(t, want, answer)
	}
	status, answer := r.do(t, http.MethodGet, "/", "")
	assert.Equal(t, http.StatusOK, status, "leads to the pages")
	assert.Contains(t, answer, "<html")
	for _, path := range []string{"/nothing", "/v1/async", "/healthz/x"} {
		status, _ = r.do(t, http.MethodGet, path, "")
		assert.Equal(t, http.StatusNotFound, status, path)
	}
	status, _ = r.do(t, http.MethodGet, eventsPath+"/openapi.yaml", "")
	assert.Equal(t, http.StatusOK, status)
	status, _ = r.do(t, http.MethodPost, "/healthz", "")
	assert.Equal(t, http.StatusMethodNotAllowed, status)
}

func TestReadyTellsOfAStoreThatIsGone(t *testing.T) {
	t.Parallel()
	handler, backend := handlerFor(t, options{addr: "127.0.0.1:1"})
	assert.Equal(t, http.StatusOK, ask(handler, "/readyz"))
	require.NoError(t, backend.Close())
	assert.Equal(t, http.StatusServiceUnavailable, ask(handler, "/readyz"))
	assert.Equal(t, http.StatusOK, ask(handler, "/healthz"), "the process is up all the same")
}

// handlerFor returns the handler as it would be with these options.
func handlerFor(t *testing.T, o options) (http.Handler, *asyncevents.Backend) {
	t.Helper()
	exports, err := export.NewFolder(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, exports.Close()) })
	backend := memory.New()
	service, err := asyncevents.New(backend, processLoyalty, &asyncevents.Config{
		Authenticate: newAuthenticator(o), Exports: exports, Logger: quiet,
	})
	require.NoError(t, err)
	handler, err := newHandler(o, service, http.NotFoundHandler(), quiet)
	require.NoError(t, err)
	return handler, backend
}

func ask(handler http.Handler, path string, headers ...string) int {
	request := httptest.NewRequest(http.MethodGet, "http://127.0.0.1"+path, nil)
	if strings.HasSuffix(path, eventsPath) {
		request = httptest.NewRequest(http.MethodPost, "http://127.0.0.1"+path, strings.NewReader(goodBody))
		request.Header.Set("Content-Type", "application/json")
	}
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		request.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, request)
	return w.Code
}

func TestTokens(t *testing.T) {
	t.Parallel()
	const manage, right, wrong = "/manage/api/queues", "Authorization: Bearer right", "Authorization: Bearer wrong"
	for name, c := range map[string]struct {
		options        options
		intake, manage [3]int // without a token, with a wrong one, with the right one
	}{
		"loopback, none":   {options{addr: "127.0.0.1:1"}, [3]int{202, 202, 202}, [3]int{200, 200, 200}},
		"loopback, intake": {options{addr: "127.0.0.1:1", intakeToken: "right"}, [3]int{401, 401, 202}, [3]int{200, 200, 200}},
		"loopback, manage": {options{addr: "127.0.0.1:1", manageToken: "right"}, [3]int{202, 202, 202}, [3]int{401, 401, 200}},
		"exposed, both": {options{addr: "0.0.0.0:1", intakeToken: "right", manageToken: "right"},
			[3]int{401, 401, 202}, [3]int{401, 401, 200}},
		"exposed, intake alone": {options{addr: ":1", intakeToken: "right"}, [3]int{401, 401, 202}, [3]int{401, 401, 401}},
		"exposed, manage alone": {options{addr: ":1", manageToken: "right"}, [3]int{401, 401, 401}, [3]int{401, 401, 200}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			handler, _ := handlerFor(t, c.options)
			for i, headers := range [][]string{nil, {wrong}, {right}} {
				assert.Equal(t, c.intake[i], ask(handler, eventsPath, headers...), "intake %s", headers)
				assert.Equal(t, c.manage[i], ask(handler, manage, headers...), "management %s", headers)
			}
			if c.manage[2] == http.StatusOK && c.manage[0] != http.StatusOK {
				password := httptest.NewRequest(http.MethodGet, "/", nil)
				password.SetBasicAuth("anna", "right")
				assert.Equal(t, http.StatusOK, ask(handler, manage, "Authorization: "+password.Header.Get("Authorization")))
			}
		})
	}
}

func TestReferenceStatus(t *testing.T) {
	t.Parallel()
	r := start(t, "-reference-status")
	status, _ := r.do(t, http.MethodPost, eventsPath, goodBody)
	assert.Equal(t, http.StatusOK, status)
	status, _ = r.do(t, http.MethodGet, eventsPath+"/unknown", "")
	assert.Equal(t, http.StatusBadRequest, status)
}
