// Command oauth shows an intake that takes events of clients with OAuth 2 client credentials, whose access tokens are JWTs. It is a
// module of its own:
//
//	cd examples/oauth && go run .
//
// Two clients get tokens of an issuer and hand in events with the same Idempotency-Key, which are two events. The issuer changes its
// keys, and nobody notices. Tokens that are for somebody else, too old, or made by somebody else open nothing.
//
// verifier.go is what to copy. The issuer, in issuer.go, runs in this process, and everything is in a temporary folder.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/sqlite"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "oauth:", err)
		os.Exit(1)
	}
}

// audience is the name of our service to the issuer.
const audience = "https://events.example"

// run tells the whole story on out.
func run(ctx context.Context, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "redrive-oauth-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	from, err := newIssuer(map[string]string{"shop": "secret-of-shop", "depot": "secret-of-depot"})
	if err != nil {
		return err
	}
	defer from.server.Close()
	s, err := openService(ctx, dir, from, time.Second)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	return s.tell(ctx, from, out)
}

// intake is the service, on a server.
type intake struct {
	backend *asyncevents.Backend
	server  *httptest.Server
	stop    context.CancelFunc
}

// openService serves an intake that takes the issuer's tokens.
func openService(ctx context.Context, dir string, from *issuer, refetch time.Duration) (*intake, error) {
	backend, err := sqlite.Open(ctx, filepath.Join(dir, "events.db"), nil)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	s := &intake{backend: backend, stop: stop}
	v, err := newVerifier(ctx, &verifierConfig{
		issuer: from.server.URL, keysURL: from.server.URL + "/keys", audience: audience, client: from.server.Client(), refetch: refetch,
	})
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	process := func(context.Context, asyncevents.Event) (any, error) { return nil, nil }
	service, err := asyncevents.New(backend, process, &asyncevents.Config{
		Authenticate: v.authenticate, RateLimit: &asyncevents.RateLimit{EventsPerSecond: 100},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.server = httptest.NewServer(service.Handler()) // a service would mount it on its mux, and Run
	return s, nil
}

func (s *intake) close() error {
	if s.server != nil {
		s.server.Close()
	}
	s.stop()
	return s.backend.Close()
}

// clientOf returns an HTTP client that gets its tokens by itself, and new ones in time.
func clientOf(ctx context.Context, from *issuer, name, resource string) *http.Client {
	cfg := clientcredentials.Config{
		ClientID: name, ClientSecret: "secret-of-" + name, TokenURL: from.server.URL + "/token",
		Scopes: []string{scopeWrite, scopeRead}, EndpointParams: url.Values{"resource": {resource}},
		AuthStyle: oauth2.AuthStyleInHeader,
	}
	return cfg.Client(context.WithValue(ctx, oauth2.HTTPClient, from.server.Client()))
}

func (s *intake) tell(ctx context.Context, from *issuer, out io.Writer) error {
	shop, depot := clientOf(ctx, from, "shop", audience), clientOf(ctx, from, "depot", audience)
	for _, chapter := range []struct {
		what   string
		client *http.Client
		before func() error
	}{
		{what: "the shop hands in an event", client: shop},
		{what: "again, with the same key", client: shop},
		{what: "the depot has the same key", client: depot},
		{what: "the issuer has a new key", client: clientOf(ctx, from, "shop", audience), before: from.rotate},
		{what: "a token for somebody else", client: clientOf(ctx, from, "shop", "https://other.example")},
		{what: "no token at all", client: from.server.Client()},
	} {
		if chapter.before != nil {
			if err := chapter.before(); err != nil {
				return err
			}
		}
		outcome, err := s.post(ctx, chapter.client)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(out, "%s: %s\n", chapter.what, outcome)
	}
	return nil
}

// post hands in an event.
func (s *intake) post(ctx context.Context, client *http.Client) (outcome string, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.server.URL+"/v1/async/events", strings.NewReader(`{"action":"ship"}`))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", "order 1")
	answer, err := client.Do(r)
	if err != nil {
		return "", err
	}
	if outcome = answer.Status; answer.Header.Get("Idempotent-Replayed") != "" {
		outcome += ", known already"
	}
	return outcome, answer.Body.Close()
}
