package callback

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// receiver is a TCP server made by hand that counts what reaches it.
type receiver struct {
	listener net.Listener
	conns    atomic.Int64
	bytes    atomic.Int64
}

// newReceiver listens on an address of this machine and answers each request with what answer writes. A nil answer
// means a receiver that only counts.
func newReceiver(t testing.TB, address string, answer func(net.Conn)) *receiver {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
	require.NoError(t, err)
	r := &receiver{listener: listener}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			r.conns.Add(1)
			running.Go(func() { r.serve(conn, answer) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		running.Wait()
	})
	return r
}

func (r *receiver) serve(conn net.Conn, answer func(net.Conn)) {
	defer func() { _ = conn.Close() }()
	in := bufio.NewReader(io.TeeReader(conn, (*counter)(&r.bytes)))
	if answer == nil {
		_, _ = io.Copy(io.Discard, in)
		return
	}
	request, err := http.ReadRequest(in)
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, request.Body)
	answer(conn)
}

type counter atomic.Int64

func (c *counter) Write(p []byte) (int, error) {
	(*atomic.Int64)(c).Add(int64(len(p)))
	return len(p), nil
}

func (r *receiver) url() string { return "http://" + r.listener.Addr().String() + "/hook" }

func (r *receiver) port() string {
	return strconv.Itoa(r.listener.Addr().(*net.TCPAddr).Port)
}

// requireUntouched asserts that nobody connected.
func (r *receiver) requireUntouched(t *testing.T) {
	t.Helper()
	require.Zero(t, r.conns.Load(), "connections")
	require.Zero(t, r.bytes.Load(), "bytes")
}

// hang waits until the client goes away.
func hang(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// write sends text and is content when the client has gone away.
func write(conn net.Conn, text string) bool {
	_, err := io.WriteString(conn, text)
	return err == nil
}

// senderFor returns a Sender that is closed with the test; edit changes its Config.
func senderFor(t testing.TB, hooks dialHooks, edit func(*Config)) *Sender {
	t.Helper()
	cfg := &Config{AllowPrivate: true}
	if edit != nil {
		edit(cfg)
	}
	s, err := newSender(cfg, hooks)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func requestTo(url string) Request {
	return Request{ID: "msg_1", CorrelationID: "order-7", Attempt: 2, URL: url, Body: []byte(`{"status":"processed"}`)}
}
