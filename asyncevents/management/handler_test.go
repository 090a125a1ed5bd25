package management

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/memory"
)

func TestHandlerIsClosedByDefault(t *testing.T) {
	t.Parallel()
	_, err := Handler(nil, allowAll, nil)
	require.ErrorIs(t, err, errNoService)
	service := newService(t)
	_, err = Handler(service, nil, nil)
	require.ErrorIs(t, err, errNoAuthorizer)
	_, err = Handler(service, allowAll, &Config{Base: "manage"})
	require.ErrorContains(t, err, "Config.Base")
	h, err := Handler(service, allowAll, nil)
	require.NoError(t, err)
	require.NotNil(t, h)
}

func newService(t *testing.T) *asyncevents.Service {
	t.Helper()
	service, err := asyncevents.New(memory.New(), echo, &asyncevents.Config{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	return service
}

// denials are the ways in which an Authorizer says no.
var denials = map[string]Authorizer{
	"error":             func(*http.Request, Action) (string, error) { return "mallory", errors.New("no") },
	"panic":             func(*http.Request, Action) (string, error) { panic("broken") },
	"panic of an abort": func(*http.Request, Action) (string, error) { panic(http.ErrAbortHandler) },
}

func TestDeniedEverywhere(t *testing.T) {
	t.Parallel()
	for name, denial := range denials {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, nil)
			b.add("one", `{"secret":"payload"}`)
			b.authorize = denial
			audited := 0
			for _, route := range allRoutes() {
				got := b.do(route.method, pathOf(route), "")
				assert.Equal(t, http.StatusForbidden, got.Code, "%s %s", route.method, route.pattern)
				assert.NotContains(t, got.text, "secret")
				if route.audit != "" {
					audited++
				}
			}
			for _, path := range []string{"nowhere", "api/nowhere", "api", "assets/" + styleSheet.name} {
				assert.Equal(t, http.StatusForbidden, b.do(http.MethodGet, path, "").Code, path)
			}
			assert.Equal(t, http.StatusForbidden, b.do(http.MethodPatch, "api/settings", "").Code)
			require.Len(t, b.audit(), audited, "one row for each denied change and download, none for denied views")
			for _, row := range b.audit() {
				assert.Equal(t, outcomeDenied, row.Outcome)
				assert.NotEmpty(t, row.Detail)
				assert.Zero(t, row.Count)
			}
			assert.EqualValues(t, 1, b.depth())
			assert.Equal(t, name != "error", strings.Contains(b.log.String(), "authorizer panicked"))
		})
	}
}

func TestActionsAreAskedForOneByOne(t *testing.T) {
	t.Parallel()
	for _, action := range allActions {
		b := newBundle(t, nil)
		b.authorize = only(action)
		for _, route := range allRoutes() {
			got := b.do(route.method, pathOf(route), "")
			assert.Equal(t, route.action != action || route.also != "", got.Code == http.StatusForbidden,
				"%s: %s %s", action, route.method, route.pattern)
		}
	}
}

func TestCrossOriginChangesAreRefused(t *testing.T) {
	t.Parallel()
	foreign := map[string][]string{
		"fetch metadata": {"Sec-Fetch-Site", "cross-site"},
		"same site":      {"Sec-Fetch-Site", "same-site"},
		"origin":         {"Origin", "https://evil.example"},
		"null origin":    {"Origin", "null"},
	}
	for name, headers := range foreign {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, nil)
			b.add("one", `{}`)
			for _, route := range allRoutes() {
				got := b.do(route.method, pathOf(route), "", headers...)
				assert.Equal(t, route.changes(), got.Code == http.StatusForbidden, "%s %s", route.method, route.pattern)
			}
			for _, row := range b.audit() {
				if row.Action == "download" {
					continue // changes nothing
				}
				assert.Equal(t, outcomeDenied, row.Outcome)
				assert.Equal(t, "alice", row.Actor)
				assert.Equal(t, row.Action != "configure" && row.Action != "export_delete", row.Queue != "", row.Action)
			}
			assert.EqualValues(t, 1, b.depth())
		})
	}
}

func TestSameOriginFormsAreServed(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.add("one", `{}`)
	got := b.do(http.MethodPost, "queues/events/retry-one", "", "Sec-Fetch-Site", "same-origin", "Origin", "http://example.com")
	assert.Equal(t, http.StatusSeeOther, got.Code)
	assert.Zero(t, b.depth())
}

// TestChangesNeedTheirMethod asks every path with every method that it does not know.
func TestChangesNeedTheirMethod(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.add("one", `{}`)
	known := map[string][]string{}
	for _, route := range allRoutes() {
		known[pathOf(route)] = append(known[pathOf(route)], route.method)
	}
	for path, methods := range known {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} {
			if strings.Contains(strings.Join(methods, " "), method) {
				continue
			}
			got := b.do(method, path, "")
			assert.Equal(t, http.StatusMethodNotAllowed, got.Code, "%s %s", method, path)
			for _, allowed := range methods {
				assert.Contains(t, got.Header().Get("Allow"), allowed)
			}
		}
	}
	assert.Equal(t, "DELETE, GET, HEAD", b.do("PUT", "api/queues/events/entries", "").Header().Get("Allow"))
	assert.EqualValues(t, 1, b.depth())
	assert.Empty(t, b.audit())
}

func TestEveryAnswerIsGuarded(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	requests := [][2]string{{"GET", "nowhere"}, {"GET", "api/nowhere"}, {"PUT", "audit"}}
	for _, route := range allRoutes() {
		requests = append(requests, [2]string{route.method, pathOf(route)})
	}
	for _, request := range requests {
		header := b.do(request[0], request[1], "").Header()
		policy := header.Get("Content-Security-Policy")
		for _, directive := range []string{"default-src 'none'", "style-src 'self'", "form-action 'self'",
			"frame-ancestors 'none'", "base-uri 'none'"} {
			assert.Contains(t, policy, directive, request)
		}
		assert.Equal(t, "DENY", header.Get("X-Frame-Options"), request)
		assert.Equal(t, "nosniff", header.Get("X-Content-Type-Options"), request)
		assert.Equal(t, "same-origin", header.Get("Referrer-Policy"), request)
		assert.Equal(t, "no-store", header.Get("Cache-Control"), request)
	}
	style := b.do("GET", "assets/"+styleSheet.name, "").Header()
	assert.NotEmpty(t, style.Get("Content-Security-Policy"))
	assert.Contains(t, style.Get("Cache-Control"), "private")
}

func TestUnknownPathsAndQueues(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	for _, path := range []string{"api/nowhere", "api", "api/queues/events/error", "api/queues/nope",
		"api/queues/Events", "api/queues/nope/entries", "api/queues/..%2fevents", "api/queues/%00"} {
		got := b.do(http.MethodGet, path, "")
		assert.Equal(t, http.StatusNotFound, got.Code, path)
		assert.Equal(t, "application/json", got.Header().Get("Content-Type"))
	}
	got := b.do(http.MethodGet, "nowhere", "")
	assert.Equal(t, http.StatusNotFound, got.Code)
	assert.Contains(t, got.Header().Get("Content-Type"), "text/html")
	assert.Equal(t, http.StatusNotFound, b.do(http.MethodPost, "api/queues/nope/retry-one", "").Code)
	require.Len(t, b.audit(), 1)
	assert.Equal(t, outcomeFailed, b.audit()[0].Outcome)
	assert.Empty(t, b.audit()[0].Queue)
}

func TestStoreFailuresAre503(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.add("one", `{"n":1}`)
	require.NoError(t, b.backend.Close())
	for _, route := range allRoutes() {
		switch route.pattern {
		case "assets/{id}", "api/openapi.yaml", "api/alarms", "events", "exports/{id}/delete":
			continue // no store, a form that asks for an event, or a redirect to where it shows
		}
		if route.streams || strings.Contains(route.pattern, "exports/{id}") || strings.HasSuffix(route.pattern, "settings") && route.changes() {
			continue // refused before the store is asked
		}
		path := pathOf(route)
		if route.method == http.MethodDelete && strings.HasSuffix(path, "entries") {
			path += "?confirm=1"
		}
		how := doable[route.method+" "+route.pattern]
		body, headers := how.body, []string{}
		if how.form != nil {
			body, headers = how.form.Encode(), []string{"Content-Type", "application/x-www-form-urlencoded"}
		}
		got := b.do(route.method, path, body, headers...)
		assert.Equal(t, http.StatusServiceUnavailable, got.Code, "%s %s", route.method, route.pattern)
		assert.Equal(t, "5", got.Header().Get("Retry-After"))
		assert.NotContains(t, got.text, "memory:", "the store's own words stay in the log")
	}
	assert.Contains(t, b.log.String(), "request failed")
	assert.NotContains(t, b.log.String(), `{"n":1}`)
}
