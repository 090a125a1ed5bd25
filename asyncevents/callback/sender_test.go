package callback

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/retry"
)

// captured is a request as a receiver saw it.
type captured struct {
	header http.Header
	method string
	uri    string
	body   []byte
}

// capture answers with status and hands over what came in.
func capture(t testing.TB, status int, header map[string]string) (*httptest.Server, <-chan captured) {
	t.Helper()
	seen := make(chan captured, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		seen <- captured{r.Header.Clone(), r.Method, r.URL.RequestURI(), body}
		for name, value := range header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "received")
	}))
	t.Cleanup(server.Close)
	return server, seen
}

func TestSendDelivers(t *testing.T) {
	t.Parallel()
	server, seen := capture(t, http.StatusAccepted, nil)
	s := senderFor(t, dialHooks{}, func(c *Config) { c.Secrets = []string{secretOne} })
	request := requestTo(server.URL + "/hook?token=1#fragment")
	const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	request.Headers = map[string]string{"traceparent": traceparent}
	before := time.Now().Unix()

	response, err := s.Send(t.Context(), request)

	require.NoError(t, err)
	assert.Equal(t, http.StatusAccepted, response.Status)
	assert.Equal(t, "received", response.Body)
	assert.Positive(t, response.Duration)
	got := <-seen
	assert.Equal(t, http.MethodPost, got.method)
	assert.Equal(t, "/hook?token=1", got.uri)
	assert.Equal(t, request.Body, got.body)
	for name, want := range map[string]string{
		"Content-Type": "application/json", "webhook-id": "msg_1", "X-Correlation-ID": "order-7", "X-Attempt": "2",
		"traceparent": traceparent, "User-Agent": DefaultUserAgent, "Accept-Encoding": "", "Cookie": "",
	} {
		assert.Equal(t, want, got.header.Get(name), name)
	}
	at, err := strconv.ParseInt(got.header.Get("webhook-timestamp"), 10, 64)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, at, before)
	require.NoError(t, verify(t, secretOne, got.header, got.body))
	assert.Error(t, verify(t, secretTwo, got.header, got.body))
	assert.Error(t, verify(t, secretOne, got.header, []byte(`{"status":"error"}`)), "tampered with")
}

func TestSendDuringRotation(t *testing.T) {
	t.Parallel()
	server, seen := capture(t, http.StatusOK, nil)
	s := senderFor(t, dialHooks{}, func(c *Config) { c.Secrets = []string{secretTwo, secretOne} })
	_, err := s.Send(t.Context(), requestTo(server.URL))
	require.NoError(t, err)
	got := <-seen
	assert.Len(t, strings.Fields(got.header.Get("webhook-signature")), 2)
	assert.NoError(t, verify(t, secretOne, got.header, got.body), "a receiver that knows the old secret")
	assert.NoError(t, verify(t, secretTwo, got.header, got.body), "a receiver that knows the new secret")
	assert.Error(t, verify(t, secretOld, got.header, got.body))
}

func TestSendUnsigned(t *testing.T) {
	t.Parallel()
	server, seen := capture(t, http.StatusOK, nil)
	_, err := senderFor(t, dialHooks{}, nil).Send(t.Context(), requestTo(server.URL))
	require.NoError(t, err)
	got := <-seen
	assert.NotContains(t, got.header, "Webhook-Signature")
	assert.Equal(t, "msg_1", got.header.Get("webhook-id"))
}

func TestSendRepeatsIDButNotTime(t *testing.T) {
	t.Parallel()
	server, seen := capture(t, http.StatusInternalServerError, nil)
	s := senderFor(t, dialHooks{}, func(c *Config) { c.Secrets = []string{secretOne} })
	for attempt := 1; attempt <= 5; attempt++ {
		request := requestTo(server.URL)
		request.Attempt = attempt
		response, err := s.Send(t.Context(), request)
		var status *StatusError
		require.ErrorAs(t, err, &status)
		assert.Equal(t, 500, status.Status)
		assert.Equal(t, 500, response.Status)
		assert.Equal(t, "received", response.Body)
		got := <-seen
		assert.Equal(t, "msg_1", got.header.Get("webhook-id"))
		assert.Equal(t, strconv.Itoa(attempt), got.header.Get("X-Attempt"))
		assert.NoError(t, verify(t, secretOne, got.header, got.body))
	}
}

func TestSendReservedHeaders(t *testing.T) {
	t.Parallel()
	bait := newReceiver(t, "127.0.0.1:0", nil)
	s := senderFor(t, dialHooks{}, nil)
	for _, name := range []string{
		"host", "authorization", "Cookie", "transfer-encoding", "Content-Length", "content-type", "user-agent", "connection",
		"proxy-authorization", "webhook-id", "WEBHOOK-SIGNATURE", "x-attempt", "x-correlation-id", "x-forwarded-for",
		"X-Idempotency-Key", "Metadata-Flavor", "Metadata", "x-aws-ec2-metadata-token", "Upgrade", "expect",
	} {
		request := requestTo(bait.url())
		request.Headers = map[string]string{name: "secret-value"}
		_, err := s.Send(t.Context(), request)
		require.ErrorIs(t, err, ErrReservedHeader, name)
		assert.True(t, retry.IsPermanent(err), "trying again would not help")
		assert.NotContains(t, err.Error(), "secret-value")
	}
	for name, value := range map[string]string{"X-A": "a\r\nX-Evil: 1", "X\r\nEvil": "1", "X A": "1", "": "1"} {
		request := requestTo(bait.url())
		request.Headers = map[string]string{name: value}
		_, err := s.Send(t.Context(), request)
		require.Error(t, err, "%q", name)
	}
	bait.requireUntouched(t)
}

func TestSendFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	second := newReceiver(t, "127.0.0.1:0", nil)
	for _, status := range []int{300, 301, 302, 303, 304, 307, 308} {
		for _, location := range []string{second.url(), "/again", "", "http://169.254.169.254/", "::not a url"} {
			server, seen := capture(t, status, map[string]string{"Location": location})
			s := senderFor(t, dialHooks{}, func(c *Config) { c.Secrets = []string{secretOne} })
			response, err := s.Send(t.Context(), requestTo(server.URL))
			var got *StatusError
			require.ErrorAs(t, err, &got)
			assert.Equal(t, status, got.Status)
			assert.Equal(t, status, response.Status)
			assert.Len(t, seen, 1, "requests")
		}
	}
	second.requireUntouched(t)
}

func TestSendRetryAfter(t *testing.T) {
	t.Parallel()
	policy := retry.Policy{InitialBackoff: time.Millisecond, Multiplier: 1, Jitter: -1}
	for header, want := range map[string]time.Duration{
		"120": 2 * time.Minute, "-1": time.Millisecond, "1000000000": time.Hour, "soon": time.Millisecond,
		"Fri, 31 Dec 2999 23:59:59 GMT": time.Hour, "Fri, 31 Dec 1999 23:59:59 GMT": time.Millisecond,
	} {
		server, _ := capture(t, http.StatusServiceUnavailable, map[string]string{"Retry-After": header})
		_, err := senderFor(t, dialHooks{}, nil).Send(t.Context(), requestTo(server.URL))
		var status *StatusError
		require.ErrorAs(t, err, &status)
		wait, again := policy.Next(1, err)
		assert.True(t, again)
		assert.Equal(t, want, wait, header)
	}
	server, _ := capture(t, http.StatusOK, map[string]string{"Retry-After": "120"})
	_, err := senderFor(t, dialHooks{}, nil).Send(t.Context(), requestTo(server.URL))
	assert.NoError(t, err)
}

func TestSendToWhatIsGone(t *testing.T) {
	t.Parallel()
	server, _ := capture(t, http.StatusGone, map[string]string{"Retry-After": "1"})
	response, err := senderFor(t, dialHooks{}, nil).Send(t.Context(), requestTo(server.URL))
	assert.True(t, retry.IsPermanent(err))
	var status *StatusError
	require.ErrorAs(t, err, &status)
	assert.Equal(t, http.StatusGone, response.Status)
}

func TestSendErrorsHoldNoSecrets(t *testing.T) {
	t.Parallel()
	closed := newReceiver(t, "127.0.0.1:0", nil)
	require.NoError(t, closed.listener.Close())
	garbage := newReceiver(t, "127.0.0.1:0", func(conn net.Conn) { write(conn, strings.Repeat("garbage", 9000)+"\r\n\r\n") })
	hanging := newReceiver(t, "127.0.0.1:0", hang)
	s := senderFor(t, dialHooks{}, func(c *Config) {
		c.Secrets = []string{secretOne}
		c.Timeout = 200 * time.Millisecond
	})
	for _, url := range []string{
		closed.url(), garbage.url(), hanging.url(), "http://user:hunter2@127.0.0.1/", "http://169.254.169.254/hook",
		"http://no-such-host.invalid/hook", "https" + strings.TrimPrefix(garbage.url(), "http"), "http://%zz/",
	} {
		_, err := s.Send(t.Context(), requestTo(url+"?token=hunter2"))
		require.Error(t, err, url)
		for _, secret := range []string{"hunter2", "token", "/hook", secretOne, strings.TrimPrefix(secretOne, secretPrefix)} {
			assert.NotContains(t, err.Error(), secret)
		}
		assert.LessOrEqual(t, len(err.Error()), retry.MaxErrorText+100)
		assert.Contains(t, err.Error(), "callback: send msg_1: ")
	}
}

func TestSendEndsWithItsContext(t *testing.T) {
	t.Parallel()
	hanging := newReceiver(t, "127.0.0.1:0", hang)
	s := senderFor(t, dialHooks{}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err := s.Send(ctx, requestTo(hanging.url()))
	require.ErrorIs(t, err, context.Canceled)
	assert.NotErrorIs(t, err, ErrTimeout)
}

func TestSendVerifiesCertificates(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto)
	}))
	server.Config.ErrorLog = quiet()
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	_, err := senderFor(t, dialHooks{}, nil).Send(t.Context(), requestTo(server.URL))
	var unknown x509.UnknownAuthorityError
	require.ErrorAs(t, err, &unknown)

	trusting := senderFor(t, dialHooks{}, func(c *Config) { c.RootCAs = rootsOf(server) })
	response, err := trusting.Send(t.Context(), requestTo(server.URL))
	require.NoError(t, err)
	assert.Equal(t, "HTTP/2.0", response.Body)
}

func TestSendUsesConnectionsAgain(t *testing.T) {
	t.Parallel()
	var conns atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, 60<<10)) // more than is kept, less than is read
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	s := senderFor(t, dialHooks{}, nil)
	for range 20 {
		_, err := s.Send(t.Context(), requestTo(server.URL))
		require.NoError(t, err)
	}
	assert.EqualValues(t, 1, conns.Load())
}

func TestSendFromManyGoroutines(t *testing.T) {
	t.Parallel()
	server, _ := capture(t, http.StatusOK, nil)
	s := senderFor(t, dialHooks{}, func(c *Config) { c.Secrets = []string{secretOne, secretTwo} })
	errs := make([]error, DefaultHostConcurrency)
	var group sync.WaitGroup
	for i := range errs {
		group.Go(func() { _, errs[i] = s.Send(t.Context(), requestTo(server.URL)) })
	}
	group.Wait()
	assert.NoError(t, errors.Join(errs...))
}

func BenchmarkSend(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusNoContent)
	}))
	b.Cleanup(server.Close)
	s := senderFor(b, dialHooks{}, func(c *Config) { c.Secrets = []string{secretOne} })
	request := requestTo(server.URL)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Send(b.Context(), request); err != nil {
			b.Fatal(err)
		}
	}
}
