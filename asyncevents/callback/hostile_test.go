package callback

import (
	"bytes"
	"compress/gzip"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	hostileTimeout = 300 * time.Millisecond
	perAnswer      = 1 << 20
)

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

func rootsOf(server *httptest.Server) *x509.CertPool {
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return roots
}

// drip writes text a byte at a time for as long as somebody listens.
func drip(conn net.Conn, text string) {
	for i := 0; write(conn, text[i%len(text):i%len(text)+1]); i++ {
		time.Sleep(10 * time.Millisecond)
	}
}

// flood writes text for as long as somebody listens, without allocating: one test counts that.
func flood(conn net.Conn, text string) {
	bytes := []byte(text)
	for err := error(nil); err == nil; {
		_, err = conn.Write(bytes)
	}
}

// hostile are receivers that mean harm, each with the status that an attempt at them ends with: 0 for none.
var hostile = map[string]struct {
	status int
	timely bool // ends before the timeout
	head   string
	tail   func(net.Conn)
}{
	"never answers":         {0, false, "", hang},
	"drips its headers":     {0, false, "HTTP/1.1 200 OK\r\nX: ", dripping},
	"drips its body":        {500, false, "HTTP/1.1 500 No\r\n\r\n", dripping},
	"endless body":          {500, true, "HTTP/1.1 500 No\r\n\r\n", flooding(page)},
	"endless chunks":        {500, true, chunked, flooding("1000\r\n" + page[:0x1000] + "\r\n")},
	"tiny chunks":           {500, true, chunked, flooding(strings.Repeat("1\r\nx\r\n", 1000))},
	"huge header":           {0, true, "HTTP/1.1 200 OK\r\nX: ", flooding(page)},
	"huge status line":      {0, true, "HTTP/1.1 200 ", flooding(page)},
	"many headers":          {0, true, "HTTP/1.1 200 OK\r\n", flooding(strings.Repeat("X: y\r\n", 1000))},
	"endless 103":           {0, true, "", flooding("HTTP/1.1 103 Early Hints\r\nLink: " + page + "\r\n\r\n")},
	"says it is too long":   {500, false, "HTTP/1.1 500 No\r\nContent-Length: 9000\r\n\r\nx", hang},
	"switches protocols":    {101, true, "HTTP/1.1 101 Up\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", hang},
	"speaks something else": {0, true, "220 smtp.example ESMTP\r\n", hang},
	"huge trailer":          {500, true, chunked + "0\r\nX: ", flooding(page)},
	"hangs up":              {0, true, "", func(net.Conn) {}},
}

func dripping(conn net.Conn) { drip(conn, "x") }

func flooding(text string) func(net.Conn) { return func(conn net.Conn) { flood(conn, text) } }

// answering is a receiver's answer of a head and a tail.
func answering(head string, tail func(net.Conn)) func(net.Conn) {
	return func(conn net.Conn) {
		write(conn, head)
		tail(conn)
	}
}

var page = strings.Repeat("x", 8<<10)

const chunked = "HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n"

func TestSendToHostileReceivers(t *testing.T) {
	t.Parallel()
	for name, h := range hostile {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReceiver(t, "127.0.0.1:0", answering(h.head, h.tail))
			s := senderFor(t, dialHooks{}, func(c *Config) { c.Timeout = 2 * time.Second })
			if !h.timely {
				s = senderFor(t, dialHooks{}, func(c *Config) { c.Timeout = hostileTimeout })
			}
			response, err := s.Send(t.Context(), requestTo(r.url()))
			require.Error(t, err)
			assert.Equal(t, h.status, response.Status)
			assert.LessOrEqual(t, len(response.Body), MaxResponseBody)
			if h.timely {
				assert.Less(t, response.Duration, 2*time.Second)
			} else {
				assert.GreaterOrEqual(t, response.Duration, hostileTimeout)
				assert.Less(t, response.Duration, hostileTimeout+time.Second)
			}
			assert.Equal(t, !h.timely && h.status == 0, isTimeout(err), "%v", err)
			assert.EqualValues(t, 1, r.conns.Load(), "one attempt is one request")
		})
	}
}

func isTimeout(err error) bool {
	return err != nil && strings.Contains(err.Error(), ErrTimeout.Error())
}

func TestSendTakesTheStatusForTheAnswer(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, "127.0.0.1:0", func(c net.Conn) { write(c, "HTTP/1.1 200 OK\r\n\r\ndone "); drip(c, "x") })
	s := senderFor(t, dialHooks{}, func(c *Config) { c.Timeout = hostileTimeout })
	response, err := s.Send(t.Context(), requestTo(r.url()))
	require.NoError(t, err, "a 2xx is delivered, whatever its body does")
	assert.Contains(t, response.Body, "done x")
	assert.Less(t, response.Duration, hostileTimeout+time.Second)
}

func TestSendTimeoutIsNamed(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, "127.0.0.1:0", hang)
	s := senderFor(t, dialHooks{}, func(c *Config) { c.Timeout = hostileTimeout })
	response, err := s.Send(t.Context(), requestTo(r.url()))
	require.ErrorIs(t, err, ErrTimeout)
	assert.EqualError(t, err, "callback: send msg_1: no answer in time: none within 300ms")
	assert.Zero(t, response.Status)
}

func TestSendTimesOutInTheHandshake(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, "127.0.0.1:0", nil)
	s := senderFor(t, dialHooks{}, func(c *Config) { c.Timeout = hostileTimeout })
	response, err := s.Send(t.Context(), requestTo(strings.Replace(r.url(), "http", "https", 1)))
	require.ErrorIs(t, err, ErrTimeout)
	assert.Less(t, response.Duration, hostileTimeout+time.Second)
}

func TestSendInflatesNothing(t *testing.T) {
	t.Parallel()
	var bomb bytes.Buffer
	packer := gzip.NewWriter(&bomb)
	_, err := packer.Write(make([]byte, 8<<20))
	require.NoError(t, err)
	require.NoError(t, packer.Close())
	answer := fmt.Sprintf("HTTP/1.1 500 No\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n", bomb.Len()) + bomb.String()
	r := newReceiver(t, "127.0.0.1:0", func(c net.Conn) { write(c, answer) })
	response, err := senderFor(t, dialHooks{}, nil).Send(t.Context(), requestTo(r.url()))
	require.Error(t, err)
	assert.Equal(t, 500, response.Status)
	assert.True(t, strings.HasPrefix(response.Body, "\x1f\uFFFD\b"), "as it came: %q", response.Body)
}

// Not parallel: it reads what the whole process has allocated. The receivers write from memory that they have.
func TestSendMemoryPerHostileAnswer(t *testing.T) {
	for name, h := range hostile {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, "127.0.0.1:0", answering(h.head, h.tail))
			s := senderFor(t, dialHooks{}, func(c *Config) { c.Timeout = hostileTimeout })
			request := requestTo(r.url())
			const rounds = 2
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range rounds {
				_, _ = s.Send(t.Context(), request)
			}
			runtime.ReadMemStats(&after)
			assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(rounds*perAnswer))
		})
	}
}

func TestSendOverHTTP2TakesLittle(t *testing.T) {
	t.Parallel()
	for name, read := range map[string]bool{"drained": true, "held back": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var written atomic.Int64
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusInternalServerError)
				for r.Context().Err() == nil {
					n, err := io.WriteString(w, page)
					written.Add(int64(n))
					if err != nil {
						return
					}
				}
			}))
			server.EnableHTTP2 = true
			server.StartTLS()
			t.Cleanup(server.Close)
			s := senderFor(t, dialHooks{}, func(c *Config) {
				c.RootCAs, c.Timeout = rootsOf(server), hostileTimeout
			})
			if read {
				_, err := s.Send(t.Context(), requestTo(server.URL))
				require.Error(t, err)
			} else {
				holdBack(t, s, server.URL)
			}
			assert.Positive(t, written.Load())
			assert.Less(t, written.Load(), int64(perAnswer))
		})
	}
}

// holdBack opens an answer and reads nothing of it for a while: the receiver can send what the window allows.
func holdBack(t *testing.T, s *Sender, url string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, nil)
	require.NoError(t, err)
	answer, err := s.transport.RoundTrip(request)
	require.NoError(t, err)
	require.Equal(t, 2, answer.ProtoMajor)
	time.Sleep(hostileTimeout)
	require.NoError(t, answer.Body.Close())
}

func TestSendOverHTTP2HugeHeaders(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for i := range 40 {
			w.Header().Set(fmt.Sprintf("X-%d", i), page)
		}
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	s := senderFor(t, dialHooks{}, func(c *Config) { c.RootCAs, c.Timeout = rootsOf(server), 2*time.Second })
	_, err := s.Send(t.Context(), requestTo(server.URL))
	require.Error(t, err)
	assert.LessOrEqual(t, len(err.Error()), 3000)
}
