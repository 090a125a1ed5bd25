package asyncevents

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// meteredReader is an endless body that counts what was read of it.
type meteredReader struct{ read int64 }

func (m *meteredReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	m.read += int64(len(p))
	return len(p), nil
}

// postTo posts JSON and closes the answer's body.
func postTo(t *testing.T, url, body string) *http.Response {
	t.Helper()
	answer, err := http.Post(url, "application/json", strings.NewReader(body))
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	return answer
}

// padded is a valid body of exactly that size.
func padded(size int) string { return "{" + strings.Repeat(" ", size-2) + "}" }

func TestBodyLimit(t *testing.T) {
	t.Parallel()
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"with length": func(r io.Reader) io.Reader { return r },
		"chunked":     func(r io.Reader) io.Reader { return iotest.HalfReader(r) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			w := d.do(http.MethodPost, eventsPath, wrap(strings.NewReader(padded(1024))))
			require.Equal(t, http.StatusAccepted, w.Code)
			assert.Equal(t, padded(1024), string(d.intake.bodies[0]))
			assert.Less(t, cap(d.intake.bodies[0]), 2048, "what is kept is not much larger")

			w = d.do(http.MethodPost, eventsPath, wrap(strings.NewReader(padded(1025))))
			requireProblem(t, w, 413, 203413, "PayloadTooLargeException", "The body is larger than 1024 bytes")
			assert.Equal(t, "close", w.Header().Get("Connection"))
			assert.Len(t, d.intake.bodies, 1)
		})
	}
}

func TestDeclaredLengthIsRefusedUnread(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	body := &meteredReader{}
	r := httptest.NewRequest(http.MethodPost, eventsPath, body)
	r.Header.Set("Content-Type", "application/json")
	r.ContentLength = 1 << 50
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	require.Equal(t, http.StatusRequestEntityTooLarge, w.Code)
	assert.Zero(t, body.read)
}

func TestEndlessBodyIsCut(t *testing.T) {
	t.Parallel()
	d := newDesk(t, func(c *handlerConfig) { c.maxBody = 64 << 10 })
	body := &meteredReader{}
	w := d.do(http.MethodPost, eventsPath, body)
	require.Equal(t, http.StatusRequestEntityTooLarge, w.Code)
	assert.LessOrEqual(t, body.read, int64(64<<10+1), "what is not read needs no memory")
}

// Over a real connection: the answer comes while the client still sends, and the connection ends.
func TestEndlessChunkedBodyEndsTheConnection(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(newDesk(t))
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"+
		"Transfer-Encoding: chunked\r\n\r\n800\r\n%s\r\n", eventsPath, strings.Repeat(" ", 0x800))
	require.NoError(t, err)
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer func() { _ = answer.Body.Close() }()
	assert.Equal(t, http.StatusRequestEntityTooLarge, answer.StatusCode)
	assert.True(t, answer.Close)
}

func TestBrokenBodyIsRefused(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	w := d.do(http.MethodPost, eventsPath, io.MultiReader(strings.NewReader("{"), iotest.ErrReader(io.ErrUnexpectedEOF)))
	requireProblem(t, w, 400, 203400, "BadRequestException", "The body could not be read to its end")

	r := httptest.NewRequest(http.MethodPost, eventsPath, strings.NewReader("{}"))
	r.Header.Set("Content-Type", "application/json")
	r.ContentLength = 3
	short := httptest.NewRecorder()
	d.ServeHTTP(short, r)
	assert.Equal(t, http.StatusBadRequest, short.Code)
	assert.Empty(t, d.intake.bodies)
}

func TestContentTypes(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, contentType := range []string{
		"application/json", "Application/JSON", "application/json;charset=utf-8", "application/json ; x=\";\"",
		" application/json",
	} {
		assert.Equal(t, http.StatusAccepted, d.post(`{}`, "Content-Type", contentType).Code, contentType)
	}
	for _, contentType := range []string{
		"", "text/plain", "text/json", "application/jsonx", "application/json, text/plain", "application/x-www-form-urlencoded",
		"multipart/form-data; boundary=application/json", "application/problem+json",
	} {
		w := d.post(`{}`, "Content-Type", contentType)
		requireProblem(t, w, 415, 203415, "UnsupportedMediaTypeException", "Content-Type must be application/json")
	}
	twice := httptest.NewRequest(http.MethodPost, eventsPath, strings.NewReader(`{}`))
	twice.Header["Content-Type"] = []string{"application/json", "text/plain"}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, twice)
	assert.Equal(t, http.StatusUnsupportedMediaType, w.Code)
}

func TestContentEncodings(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, encoding := range []string{"identity", "Identity", ""} {
		assert.Equal(t, http.StatusAccepted, d.post(`{}`, "Content-Encoding", encoding).Code, encoding)
	}
	for _, encoding := range []string{"gzip", "br", "zstd", "identity, gzip", "deflate", "?"} {
		w := d.post("\x1f\x8b\x08", "Content-Encoding", encoding)
		requireProblem(t, w, 415, 203415, "UnsupportedMediaTypeException", "A Content-Encoding is not accepted")
	}
}

func BenchmarkHandler(b *testing.B) {
	h := newHandler(discard{}, handlerConfig{maxBody: 256 << 10})
	body := strings.NewReader(`{"customer":"customer-4711","action":"points.add","data":{"points":120}}`)
	r := httptest.NewRequest(http.MethodPost, eventsPath, body)
	r.Header.Set("Content-Type", "application/json")
	b.ReportAllocs()
	for b.Loop() {
		body.Seek(0, io.SeekStart) //nolint:errcheck // cannot fail at 0
		r.Body = io.NopCloser(body)
		w := sink{header: http.Header{}}
		if h.ServeHTTP(&w, r); w.status != http.StatusAccepted {
			b.Fatal(w.status)
		}
	}
}

// sink is a ResponseWriter that keeps no body.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(status int)      { s.status = status }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }

// discard takes everything.
type discard struct{ intake }

func (discard) Accept(context.Context, Submission) (Accepted, error) {
	return Accepted{CorrelationID: "62cc313988befe60e3413e75", Status: StatusQueued}, nil
}

// Memory grows with what has come, not with what was announced.
func TestAnnouncedBodyCostsLittle(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, firstRead, firstRead + 1, 5*firstRead + 3, 256 << 10} {
		text := strings.Repeat("x", size)
		body, err := readAll(strings.NewReader(text), int64(size), 1<<30)
		require.NoError(t, err, size)
		assert.Equal(t, text, string(body), size)
		assert.Equal(t, size, cap(body), "what is kept is exact")

		body, err = readAll(iotest.OneByteReader(strings.NewReader(text)), -1, 1<<30)
		require.NoError(t, err, size)
		assert.Equal(t, text, string(body), size)
		assert.Less(t, cap(body), size+size/4+64, "nor is that of an unknown length much larger")

		body, err = readAll(strings.NewReader(text), -1, int64(size))
		require.NoError(t, err, size)
		assert.Equal(t, text, string(body), size)

		body, err = readAll(strings.NewReader(text), 1<<30, 1<<30)
		require.Error(t, err, size)
		assert.Less(t, cap(body), 2*max(size, firstRead)+1, size)
	}
}
