package amqp

import (
	"io"
	"net"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/backends/memory"
)

// deafness is a connection to a broker that at some moments does not read, and goes on with its heartbeats: as one whose
// memory is short. After a second it must stay deaf: the heartbeats may fall into the middle of what the broker says.
type deafness struct {
	on   atomic.Bool
	done chan struct{}
}

// deafen returns a URL through which the broker at another one is reached, which may turn deaf.
func deafen(t *testing.T, to string) (through string, d *deafness) {
	t.Helper()
	u, err := url.Parse(to)
	require.NoError(t, err)
	broker := u.Host
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	d = &deafness{done: make(chan struct{})}
	t.Cleanup(func() {
		close(d.done)
		_ = listener.Close()
	})
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", broker)
			if err != nil {
				_ = client.Close()
				return
			}
			go d.forward(client, server)
			go func() { _, _ = io.Copy(struct{ io.Writer }{client}, server) }()
		}
	}()
	u.Host = listener.Addr().String()
	return u.String(), d
}

// forward hands on what a client says, once the broker hears it.
func (d *deafness) forward(client, server net.Conn) {
	defer func() { _, _ = server.Close(), client.Close() }()
	buffer := make([]byte, 1<<16)
	for {
		n, err := client.Read(buffer)
		if err != nil || !d.awaitHearing(client) {
			return
		}
		_, _ = server.Write(buffer[:n])
	}
}

// awaitHearing waits, and returns false when the test or the client is at its end.
func (d *deafness) awaitHearing(client net.Conn) bool {
	look, beat := time.NewTicker(glance), time.NewTicker(time.Second)
	defer look.Stop()
	defer beat.Stop()
	for d.on.Load() {
		select {
		case <-d.done:
			return false
		case <-look.C:
		case <-beat.C:
			if _, err := client.Write([]byte{8, 0, 0, 0, 0, 0, 0, 0xCE}); err != nil { // a heartbeat
				return false
			}
		}
	}
	return true
}

// openThrough opens a backend whose broker may turn deaf.
func openThrough(t *testing.T, s *site) (*backend, *deafness) {
	t.Helper()
	through, d := deafen(t, s.url)
	cfg := s.cfg
	b, err := open(t.Context(), through, memory.New(), &cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, b.close())
		deleteQueues(t, s.url, b.broker.queues)
	})
	publish(t, b, "x")
	return b, d
}

func TestAnswersInTimeWhateverTheBrokerDoes(t *testing.T) {
	t.Parallel()
	b, d := openThrough(t, newSite(t))
	d.on.Store(true)
	began := time.Now()
	const callers = 20
	answered := make(chan error, callers)
	for i := range callers { // the large ones fill each buffer on the way
		go func() { answered <- b.broker.Send(t.Context(), topic, message.NewMessage("m", make([]byte, i<<20))) }()
	}
	for range callers {
		require.Error(t, <-answered)
	}
	assert.Less(t, time.Since(began), 4500*time.Millisecond)
}

func TestCloseEndsWhateverTheBrokerDoes(t *testing.T) {
	t.Parallel()
	b, d := openThrough(t, newSite(t))
	subscriber, err := b.subscriber(quick())
	require.NoError(t, err)
	_, err = subscriber.Subscribe(t.Context(), topic)
	require.NoError(t, err)
	d.on.Store(true)
	go func() { _ = b.broker.Send(t.Context(), topic, message.NewMessage("m", nil)) }()
	began := time.Now()
	require.NoError(t, subscriber.Close())
	require.NoError(t, b.broker.Close())
	assert.Less(t, time.Since(began), 3*callPatience)
}
