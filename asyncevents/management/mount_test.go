package management

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
)

// mounts are the ways of mounting a handler, each with the URL of its mount point.
var mounts = map[string]struct {
	at    string
	base  string
	mount func(h http.Handler) http.Handler
}{
	"ServeMux": {at: "/manage/", mount: func(h http.Handler) http.Handler {
		return onMux(h, "/manage/")
	}},
	"ServeMux, no trailing slash": {at: "/manage", mount: func(h http.Handler) http.Handler {
		return onMux(h, "/manage", "/manage/")
	}},
	"ServeMux, base": {at: "/manage/", base: "/manage", mount: func(h http.Handler) http.Handler {
		return onMux(h, "/manage/")
	}},
	"ServeMux, deep with host and wildcard": {at: "/t/acme/dlq/", mount: func(h http.Handler) http.Handler {
		return onMux(h, "/t/{tenant}/dlq/{rest...}")
	}},
	"ServeMux, root": {at: "/", mount: func(h http.Handler) http.Handler { return onMux(h, "/") }},
	"ServeMux, named like a page": {at: "/queues/", mount: func(h http.Handler) http.Handler {
		return onMux(h, "/queues/")
	}},
	"StripPrefix": {at: "/manage/", mount: func(h http.Handler) http.Handler {
		return onMux(http.StripPrefix("/manage", h), "/manage/")
	}},
	"StripPrefix, no trailing slash": {at: "/manage", mount: func(h http.Handler) http.Handler {
		return onMux(http.StripPrefix("/manage", h), "/manage", "/manage/")
	}},
	"StripPrefix with slash": {at: "/manage/", mount: func(h http.Handler) http.Handler {
		return onMux(http.StripPrefix("/manage/", h), "/manage/")
	}},
	"StripPrefix, named like a page": {at: "/api/", mount: func(h http.Handler) http.Handler {
		return onMux(http.StripPrefix("/api", h), "/api/")
	}},
	"StripPrefix and base": {at: "/manage/", base: "/manage", mount: func(h http.Handler) http.Handler {
		return onMux(http.StripPrefix("/manage", h), "/manage/")
	}},
	"nested mux": {at: "/admin/manage/", mount: func(h http.Handler) http.Handler {
		return onMux(http.StripPrefix("/admin", onMux(h, "/manage/")), "/admin/")
	}},
	"no mux, base": {at: "/ops/manage/", base: "/ops/manage/", mount: func(h http.Handler) http.Handler { return h }},
	"no mux, root": {at: "/", mount: func(h http.Handler) http.Handler { return h }},
	"chi": {at: "/manage/", mount: func(h http.Handler) http.Handler {
		return patterned(h, "/manage/*")
	}},
	"chi, no trailing slash": {at: "/manage", mount: func(h http.Handler) http.Handler {
		return patterned(h, "/manage")
	}},
	"escaped": {at: "/ma%20na%2Fge/", base: "/ma%20na%2Fge", mount: func(h http.Handler) http.Handler { return h }},
}

func onMux(h http.Handler, patterns ...string) http.Handler {
	mux := http.NewServeMux()
	for _, pattern := range patterns {
		mux.Handle(pattern, h)
	}
	return mux
}

// patterned does what chi.Mux.Mount does to a request: it leaves the path alone and sets the pattern.
func patterned(h http.Handler, pattern string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Pattern = pattern
		h.ServeHTTP(w, r)
	})
}

// TestMounts walks all links and assets from the front page, as a browser would resolve them.
func TestMounts(t *testing.T) {
	t.Parallel()
	for name, test := range mounts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, nil)
			b.addMany(2)
			h, err := newHandler(b.core, allowAll, &Config{Base: test.base, Logger: slog.New(slog.DiscardHandler)})
			require.NoError(t, err)
			server := httptest.NewServer(test.mount(h))
			defer server.Close()
			seen := crawl(t, server, server.URL+test.at)
			root := server.URL + strings.TrimSuffix(test.at, "/") + "/"
			for _, page := range []string{"", "queues/events", "queues/callbacks", "queues/events/entries/1", "exports",
				"settings", "audit", "api/openapi.yaml", "assets/" + styleSheet.name, "assets/" + icon.name} {
				assert.Contains(t, seen, root+page)
			}
			got := send(t, server, http.MethodPost, root+"queues/events/retry-one")
			assert.Equal(t, http.StatusOK, got.StatusCode)
			assert.Equal(t, root+"queues/events?flash="+flashRetried, got.Request.URL.String())
			assert.EqualValues(t, 1, b.depth())
			assert.Equal(t, http.StatusNotFound, send(t, server, http.MethodGet, root+"nowhere/").StatusCode)
			assert.Equal(t, http.StatusOK, send(t, server, http.MethodGet, root+"settings/").StatusCode)
		})
	}
}

// crawl follows every link and every asset from a page on, and returns the URLs that were reached.
func crawl(t *testing.T, server *httptest.Server, from string) map[string]bool {
	t.Helper()
	seen, todo := map[string]bool{}, []string{from}
	for len(todo) > 0 {
		url := todo[0]
		todo = todo[1:]
		if seen[url] {
			continue
		}
		seen[url] = true
		got := send(t, server, http.MethodGet, url)
		require.Equal(t, http.StatusOK, got.StatusCode, url)
		seen[got.Request.URL.String()] = true
		if !strings.HasPrefix(got.Header.Get("Content-Type"), "text/html") {
			continue
		}
		page, err := html.Parse(got.Body)
		require.NoError(t, err)
		for node := range page.Descendants() {
			for _, attribute := range node.Attr {
				if attribute.Key != "href" && attribute.Key != "src" || strings.HasPrefix(attribute.Val, "#") {
					continue
				}
				link, err := got.Request.URL.Parse(attribute.Val)
				require.NoError(t, err)
				todo = append(todo, link.String())
			}
		}
	}
	return seen
}

// send follows redirects as a browser does. The answer's body needs no closing.
func send(t *testing.T, server *httptest.Server, method, url string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), method, url, http.NoBody)
	require.NoError(t, err)
	answer, err := server.Client().Do(request)
	require.NoError(t, err)
	defer func() { require.NoError(t, answer.Body.Close()) }()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	answer.Body = io.NopCloser(strings.NewReader(string(body)))
	return answer
}
