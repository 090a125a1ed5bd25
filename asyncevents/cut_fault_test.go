package asyncevents_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
)

// scissors is a proxy before a server that cuts a connection at a chosen message of a client.
type scissors struct {
	protocol
	listener net.Listener
	server   string
	open     map[net.Conn]struct{} // guarded by mu
	carrying sync.WaitGroup
	gate     sync.RWMutex // nothing reaches the server while it is locked
	mu       sync.Mutex
	left     int // until the cut, 0 for none
	after    bool
	cut      bool
}

// protocol is how messages are told apart.
type protocol struct {
	header func(first bool) int    // how many bytes a message begins with
	length func(header []byte) int // how many follow them
}

var protocols = map[string]protocol{
	"postgres": {postgresHeader, postgresLength},
	"mysql":    {mysqlHeader, mysqlLength},
	"amqp":     {amqpHeader, amqpLength},
}

// PostgreSQL's messages begin with a letter, except for the first of a connection, and their length, itself included.
func postgresHeader(first bool) int {
	if first {
		return 4
	}
	return 5
}

func postgresLength(header []byte) int {
	return int(binary.BigEndian.Uint32(header[len(header)-4:])) - 4
}

// MySQL's messages begin with their length, in three bytes, and a number.
func mysqlHeader(bool) int { return 4 }

func mysqlLength(header []byte) int {
	return int(header[0]) | int(header[1])<<8 | int(header[2])<<16
}

// AMQP's frames begin with their kind, channel and length, and end with one byte more. The first message says which AMQP.
func amqpHeader(first bool) int {
	if first {
		return 8
	}
	return 7
}

func amqpLength(header []byte) int {
	if len(header) == 8 {
		return 0
	}
	return int(binary.BigEndian.Uint32(header[3:])) + 1
}

// newScissors are before a server, whose kind is a key of protocols.
func newScissors(t *testing.T, kind, server string) *scissors {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &scissors{protocol: protocols[kind], listener: listener, server: server, open: map[net.Conn]struct{}{}}
	s.carrying.Go(s.serve)
	t.Cleanup(func() {
		assert.NoError(t, listener.Close())
		s.closeAll()
		s.carrying.Wait()
	})
	return s
}

// at has the k-th message from now on cut the connection that it comes on: before it reaches the server, or just after.
func (s *scissors) at(k int, after bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left, s.after, s.cut = k, after, false
}

// done is whether the cut was made. There is none any more afterwards.
func (s *scissors) done() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left = 0
	return s.cut
}

func (s *scissors) serve() {
	for {
		client, err := s.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", s.server) //nolint:noctx // it is local
		if err != nil {
			_ = client.Close()
			continue
		}
		s.mu.Lock()
		s.open[client], s.open[server] = struct{}{}, struct{}{}
		s.mu.Unlock()
		s.carrying.Go(func() { s.forward(client, server) })
		s.carrying.Go(func() {
			_, _ = io.Copy(client, server)
			s.close(client, server)
		})
	}
}

// forward hands a client's messages on, until one is cut.
func (s *scissors) forward(client, server net.Conn) {
	defer s.close(client, server)
	from := bufio.NewReader(client)
	for first := true; ; first = false {
		head := make([]byte, s.header(first))
		if _, err := io.ReadFull(from, head); err != nil {
			return
		}
		message := make([]byte, len(head)+s.length(head))
		copy(message, head)
		if _, err := io.ReadFull(from, message[len(head):]); err != nil {
			return
		}
		cut, after := s.next()
		if cut {
			_ = client.Close() // nobody hears the answer
		}
		if cut && !after {
			return
		}
		if err := s.pass(server, message); err != nil || cut {
			return
		}
	}
}

// pass hands a message to the server.
func (s *scissors) pass(server net.Conn, message []byte) error {
	s.gate.RLock()
	defer s.gate.RUnlock()
	_, err := server.Write(message)
	return err
}

// next counts a message.
func (s *scissors) next() (cut, after bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left == 0 {
		return false, false
	}
	s.left--
	s.cut = s.left == 0
	return s.cut, s.after
}

func (s *scissors) close(conns ...net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, conn := range conns {
		_ = conn.Close()
		delete(s.open, conn)
	}
}

// closeAll cuts all connections.
func (s *scissors) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.open {
		_ = conn.Close()
	}
}

// everyCut makes an attempt with a cut at each message that it takes, before and after it, until it takes no more.
func everyCut(t *testing.T, s *scissors, attempt func(round string)) {
	t.Helper()
	for _, after := range []bool{false, true} {
		for k, cut := 1, true; cut; k++ {
			require.Less(t, k, 500)
			s.at(k, after)
			attempt(fmt.Sprintf("cut%d-%v", k, after))
			if cut = s.done(); !cut {
				t.Logf("%d messages were cut, after=%v", k-1, after)
				assert.Greater(t, k, 1)
			}
		}
	}
}

// behindScissors runs a case on backends whose connections are cut.
func behindScissors(t *testing.T, test func(t *testing.T, s *scissors, cut *asyncevents.Backend, sound *asyncevents.Backend)) {
	onEachServer(t, func(t *testing.T, d *database) {
		sound := d.open(t)
		address, redirect := d.through(t)
		s := newScissors(t, d.kind, address)
		test(t, s, redirect(s.listener.Addr().String()), sound)
	})
}

// Whatever an accept is cut at: what was answered is there, once; and sent again, it is accepted.
func TestAcceptIsCutOff(t *testing.T) {
	behindScissors(t, func(t *testing.T, s *scissors, cut, sound *asyncevents.Backend) {
		var seen starts
		service, err := asyncevents.New(cut, working(&seen, 0), quick(t, nil))
		require.NoError(t, err)
		var ids []string
		refused := 0
		everyCut(t, s, func(id string) {
			ids = append(ids, id)
			for {
				body := fmt.Appendf(nil, `{"correlation_id":%q}`, id)
				if _, err := service.Accept(context.Background(), asyncevents.Submission{Body: body}); err == nil {
					return
				}
				refused++
			}
		})
		healthy, _ := run(t, sound, working(&seen, 0), nil)
		awaitTally(t, healthy, ids, map[asyncevents.Status]int{asyncevents.StatusProcessed: len(ids)})
		awaitIdle(t, healthy, asyncevents.EventsQueue)
		assert.Equal(t, map[int]int{1: len(ids)}, seen.perEvent())
		t.Logf("%d calls were refused", refused) // none where all that was cut could be tried again
	})
}

// An event is on its way into the DLQ: at any time it is either in the queue or there.
func TestSettlingIsCutOff(t *testing.T) {
	behindScissors(t, func(t *testing.T, s *scissors, cut, sound *asyncevents.Backend) {
		healthy, err := asyncevents.New(sound, hopeless, quick(t, nil))
		require.NoError(t, err)
		entries := 0
		everyCut(t, s, func(id string) {
			var msg *message.Message
			var release func()
			s.pausing(func() {
				accept(t, healthy, fmt.Sprintf(`{"correlation_id":%q}`, id))
				msg, release = hold(t, cut)
			})()
			for err := errors.New("not yet"); err != nil && !errors.Is(err, asyncevents.ErrNotHeld); {
				err = cut.Events.Settle(msg.Context(), settlement(msg))
				awaitOneOf(t, healthy, entries)
			}
			entries++
			s.pausing(release)
			awaitIdle(t, healthy, asyncevents.EventsQueue)
			require.EqualValues(t, entries, count(t, healthy, asyncevents.EventsQueue))
			awaitStatus(t, healthy, id, asyncevents.StatusFailed)
		})
	})
}

// hold claims the only message of the events queue, without a word to the store afterwards until it is released.
func hold(t *testing.T, b *asyncevents.Backend) (msg *message.Message, release func()) {
	t.Helper()
	subscriber, err := b.Subscriber(asyncevents.SubscriberConfig{
		Concurrency: 1, Lease: time.Hour, AttemptTimeout: time.Hour, PollInterval: 10 * time.Millisecond,
	})
	require.NoError(t, err)
	messages, err := subscriber.Subscribe(context.WithoutCancel(t.Context()), eventsTopic)
	require.NoError(t, err)
	msg = <-messages
	return msg, func() {
		msg.Ack()
		assert.NoError(t, subscriber.Close())
	}
}

// pausing does something without cutting, and returns how to go on.
func (s *scissors) pausing(do func()) (goOn func()) {
	s.mu.Lock()
	left := s.left
	s.left = 0
	s.mu.Unlock()
	do()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.left = left
	}
}

// awaitOneOf waits until an event is either in the queue or in the DLQ, beside those that stood there before: a server may
// still be busy with what was cut off.
func awaitOneOf(t *testing.T, s *asyncevents.Service, before int) {
	t.Helper()
	await(t, "one message or entry", func() bool {
		backlog, _, err := s.Backlog(context.Background(), asyncevents.EventsQueue)
		messages := backlog.Ready + backlog.Delayed + backlog.InFlight
		return err == nil && messages+count(t, s, asyncevents.EventsQueue) == int64(before)+1
	})
}

// An entry is on its way back from the DLQ: at any time it is either there or in the queue, and it runs once.
func TestRedriveIsCutOff(t *testing.T) {
	behindScissors(t, func(t *testing.T, s *scissors, cut, sound *asyncevents.Backend) {
		var seen starts
		process := func(ctx context.Context, e asyncevents.Event) (any, error) {
			if seen.add(e.ID) == 1 {
				return hopeless(ctx, e)
			}
			return nil, nil
		}
		healthy, err := asyncevents.New(sound, process, quick(t, nil))
		require.NoError(t, err)
		service, err := asyncevents.New(cut, process, quick(t, nil))
		require.NoError(t, err)
		working := func(work func()) {
			_, stop := run(t, sound, process, nil)
			work()
			awaitIdle(t, healthy, asyncevents.EventsQueue)
			require.NoError(t, stop())
		}
		everyCut(t, s, func(id string) {
			var entry int64
			s.pausing(func() {
				working(func() {
					accept(t, healthy, fmt.Sprintf(`{"correlation_id":%q}`, id))
					entry = awaitDead(t, healthy, asyncevents.EventsQueue, 1)[0].ID
				})
			})()
			for err := errors.New("not yet"); err != nil && !errors.Is(err, dlq.ErrNotFound); {
				_, err = service.DeadLetters().Retry(context.Background(), asyncevents.EventsQueue, entry)
				awaitOneOf(t, healthy, 0)
			}
			s.pausing(func() {
				working(func() { awaitStatus(t, healthy, id, asyncevents.StatusProcessed) })
			})
			require.Len(t, seen.of(id), 2, "redriven once")
			require.Zero(t, count(t, healthy, asyncevents.EventsQueue))
		})
	})
}
