package asyncevents_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/memory"
	"github.com/redrive-go/redrive/internal/soak"
)

const (
	// hostileClients is how many connections send hostile bodies, and as many hold on to what they have sent.
	hostileClients = 50
	// perConnection is what a connection may cost beside its body: buffers, stacks, the request.
	perConnection = 64 << 10
)

// hostileHeads begin requests whose bodies are not taken, and never end: those that are too long, deep, compressed, or no JSON.
var hostileHeads = []string{
	"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n",
	"Content-Type: application/json\r\nContent-Length: 1099511627776\r\n",
	"Content-Type: application/json\r\nContent-Length: 262144\r\n",
	"Content-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 262144\r\n",
	"Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n",
	"Content-Type: image/x\r\nCe-Id: 1\r\nTransfer-Encoding: chunked\r\n",
}

// Hostile bodies, 1 GiB of them in the long form, cost no more memory than one body may have for each connection that is open,
// beside what a connection costs anyway. It runs alone: the heap is that of the whole process.
func TestHostileBodiesInBoundedMemory(t *testing.T) {
	s, err := asyncevents.New(memory.New(), working(&starts{}, 0), quick(t, func(c *asyncevents.Config) { c.CloudEvents = true }))
	require.NoError(t, err)
	server := httptest.NewServer(s.Handler())
	defer server.Close()
	address := server.Listener.Addr().String()
	before := liveHeap()

	held := make([]net.Conn, hostileClients)
	for i := range held {
		held[i] = holdBody(t, address, i%2 == 0)
		defer func() { _ = held[i].Close() }()
	}
	const most = 2 * hostileClients * (asyncevents.DefaultMaxBodyBytes + perConnection)
	peak := atomic.Uint64{}
	stop, sampled := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(sampled)
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				peak.Store(max(peak.Load(), liveHeap()))
			}
		}
	}()
	sent := floodOf(t, address, soak.Long[int64](64<<20, 1<<30))
	close(stop)
	<-sampled
	grown := int64(peak.Load()) - int64(before)
	t.Logf("%d MiB of hostile bodies took %d MiB at most", sent>>20, grown>>20)
	assert.Less(t, grown, int64(most))
	assert.Greater(t, grown, int64(hostileClients*asyncevents.DefaultMaxBodyBytes/2), "what is held is seen")
}

// liveHeap is how much memory was in use when garbage was last collected, which is now.
func liveHeap() uint64 {
	runtime.GC()
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	return live[0].Value.Uint64()
}

// holdBody sends almost all of a body and stays.
func holdBody(t *testing.T, address string, chunked bool) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	require.NoError(t, err)
	const size = asyncevents.DefaultMaxBodyBytes
	head, body := fmt.Sprintf("Content-Length: %d\r\n\r\n", size), bytes.Repeat([]byte(" "), size-1)
	if chunked {
		head, body = "Transfer-Encoding: chunked\r\n\r\n", fmt.Appendf(nil, "%x\r\n%s", size, body)
	}
	_, err = fmt.Fprintf(conn, "POST /v1/async/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n%s%s", head, body)
	require.NoError(t, err)
	return conn
}

// floodOf sends so many bytes of hostile bodies, and returns how many it were.
func floodOf(t *testing.T, address string, size int64) int64 {
	t.Helper()
	var sent, next atomic.Int64
	var sending sync.WaitGroup
	for range hostileClients {
		sending.Go(func() {
			for sent.Load() < size {
				n, status, err := sendHostile(address, hostileHeads[next.Add(1)%int64(len(hostileHeads))])
				sent.Add(n)
				if assert.NoError(t, err) && status != 0 {
					assert.Contains(t, []int{400, 413, 415}, status)
				}
			}
		})
	}
	sending.Wait()
	return sent.Load()
}

// piece is a chunk of a hostile body.
var piece = append(append([]byte("10000\r\n"), bytes.Repeat([]byte("["), 1<<16)...), '\r', '\n')

// sendHostile sends a body until nobody wants more of it, or it is four times too long. The status is 0 where the connection was cut
// before it could be read.
func sendHostile(address, head string) (sent int64, status int, err error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return 0, 0, err
	}
	if _, err := io.WriteString(conn, "POST /v1/async/events HTTP/1.1\r\nHost: x\r\n"+head+"\r\n"); err != nil {
		return 0, 0, err
	}
	for sent < 4*asyncevents.DefaultMaxBodyBytes {
		n, err := conn.Write(piece)
		if sent += int64(n); err != nil {
			break
		}
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
			return sent, 0, err
		}
		return sent, 0, nil
	}
	return sent, answer.StatusCode, answer.Body.Close()
}
