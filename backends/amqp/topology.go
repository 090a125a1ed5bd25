package amqp

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"golang.org/x/sync/singleflight"

	"github.com/redrive-go/redrive/backends/internal/queue"
)

// The queues of a topic: one of its own name, one for what the broker drops from it, and one for each length of wait.
const (
	separator     = "#"
	droppedSuffix = separator + "dropped"
	waitInfix     = separator + "wait" + separator
)

// maxName is how many bytes AMQP allows for the name of a queue.
const maxName = 255

// deliveryLimit is after how many deliveries in vain the broker drops a message into the queue of dropped ones. Long before
// that it is in the DLQ, unless no consumer lives long enough to put it there. RabbitMQ 4 has a limit of 20 unless it is given one.
const deliveryLimit = 1000

// queueOf returns the name of a topic's queue, or an error for a name that no topic may have here.
func queueOf(prefix, topic string) (string, error) {
	if err := queue.CheckTopic(topic); err != nil {
		return "", err
	}
	if strings.Contains(topic, separator) {
		return "", fmt.Errorf("%w: %q contains %q, which names the queues beside a topic's", queue.ErrBadTopic, topic, separator)
	}
	if most := maxName - len(prefix) - len(waitOf("", math.MaxUint32)); len(topic) > most {
		return "", fmt.Errorf("%w: %d bytes are more than the %d that fit into the names of queues", queue.ErrBadTopic, len(topic), most)
	}
	return prefix + topic, nil
}

func droppedOf(queue string) string { return queue + droppedSuffix }

func waitOf(queue string, ms int64) string { return queue + waitInfix + strconv.FormatInt(ms, 10) }

// place is where a message can be sent: into a topic's queue, or where it waits before that.
type place struct {
	queue string // of the topic
	wait  int64  // in milliseconds; 0 for the topic's queue itself
}

// name is the name of the queue.
func (p place) name() string {
	if p.wait == 0 {
		return p.queue
	}
	return waitOf(p.queue, p.wait)
}

// declaration is a queue as it has to be.
type declaration struct {
	name string
	args amqp.Table
}

// declarations are the queue and those that belong to it. What the broker drops from a topic's queue is dead-lettered, and what
// has waited as well, back to that queue: in both cases it is removed only when it has arrived there.
func (p place) declarations() []declaration {
	if p.wait > 0 {
		args := deadLettering(p.queue)
		args[amqp.QueueMessageTTLArg] = p.wait
		return []declaration{{p.name(), args}}
	}
	args := deadLettering(droppedOf(p.queue))
	args["x-delivery-limit"] = int64(deliveryLimit)
	return []declaration{{p.queue, args}, {droppedOf(p.queue), amqp.Table{
		amqp.QueueTypeArg: amqp.QueueTypeQuorum, "x-delivery-limit": int64(math.MaxInt32),
		amqp.QueueOverflowArg: amqp.QueueOverflowRejectPublish,
	}}}
}

func deadLettering(to string) amqp.Table {
	return amqp.Table{
		amqp.QueueTypeArg:        amqp.QueueTypeQuorum,
		"x-dead-letter-exchange": "", "x-dead-letter-routing-key": to,
		"x-dead-letter-strategy": "at-least-once", amqp.QueueOverflowArg: amqp.QueueOverflowRejectPublish,
	}
}

// noteTime is how long no queue is made before those that were are known to be there. RabbitMQ notes a new quorum queue on disk half a
// second after the latest one was made: one that dies before that has lost the queue, and all that is in it, for good.
const noteTime = time.Second

// topology declares queues, each once a connection.
type topology struct {
	link    *link
	closing context.Context
	flight  singleflight.Group
	busy    sync.RWMutex // held for reading while something is declared

	mu    sync.Mutex
	made  time.Time        // when the latest queue was made
	conn  *amqp.Connection // on which the known ones were declared
	known map[place]struct{}
	young map[place]struct{}  // what this process made, and did not find noted yet
	used  map[place]struct{}  // all that this process ever declared
	fresh map[string]struct{} // topics' queues that this process made
	ill   map[place]time.Time // waits that did not confirm a message, and when
}

// newTopology returns what declares on a link until closing ends.
func newTopology(closing context.Context, l *link) *topology {
	return &topology{
		link: l, closing: closing, known: map[place]struct{}{}, young: map[place]struct{}{}, used: map[place]struct{}{},
		fresh: map[string]struct{}{}, ill: map[place]time.Time{},
	}
}

// ensure declares the queue of a place and those that belong to it, unless it is known to be there. With an error no queue was made
// that was not there before, but by a broker that went away meanwhile.
func (t *topology) ensure(p place, until time.Time) error {
	conn, err := t.link.now()
	if err != nil {
		return fmt.Errorf("declare queue %q: %w: %w", p.name(), errNotSent, err)
	}
	if t.knows(conn, p) {
		return nil
	}
	return t.await(p, p.name(), until, func() error {
		err := t.make(conn, p)
		if err == nil {
			t.awaitNoted(p)
			t.note(conn, p)
		}
		return err
	})
}

// close waits until nothing is being declared any more. closing has ended, and the connections are closed.
func (t *topology) close() {
	t.busy.Lock()
	defer t.busy.Unlock()
}

// declare declares the queue of a place and those that belong to it, for a consumer: it can begin before the broker has noted them.
func (t *topology) declare(p place, until time.Time) error {
	conn, err := t.link.now()
	if err != nil {
		return fmt.Errorf("declare queue %q: %w", p.name(), err)
	}
	return t.await(p, "consume "+p.name(), until, func() error { return t.make(conn, p) })
}

// await does something about a place once for all who ask for it at the same time, and waits for that until a time.
func (t *topology) await(p place, key string, until time.Time, do func() error) error {
	done := t.flight.DoChan(key, func() (any, error) {
		t.busy.RLock()
		defer t.busy.RUnlock()
		if t.closing.Err() != nil {
			return nil, ErrClosed
		}
		return nil, do()
	})
	late := time.NewTimer(time.Until(until))
	defer late.Stop()
	select {
	case result := <-done:
		if result.Err != nil {
			return fmt.Errorf("%w: %w", errNotSent, result.Err)
		}
		return nil
	case <-late.C:
		return fmt.Errorf("declare queue %q: %w: %w", p.name(), errNotSent, ErrUnconfirmed)
	case <-t.closing.Done():
		return fmt.Errorf("declare queue %q: %w: %w", p.name(), errNotSent, ErrClosed)
	}
}

// make declares the queues of a place, and notes whether any was missing.
func (t *topology) make(conn *amqp.Connection, p place) error {
	made, err := t.declareAll(conn, p.declarations())
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		t.used[p] = struct{}{}
	}
	if !made {
		return err
	}
	t.made = time.Now()
	t.young[p] = struct{}{}
	if p.wait == 0 {
		t.fresh[p.queue] = struct{}{}
	}
	return err
}

func (t *topology) knows(conn *amqp.Connection, p place) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.conn != conn {
		t.conn, t.known = conn, map[place]struct{}{}
	}
	_, known := t.known[p]
	return known
}

func (t *topology) note(conn *amqp.Connection, p place) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.conn == conn {
		t.known[p] = struct{}{}
	}
}

// awaitNoted waits until the broker has noted the queues of a place, where this process made them a moment ago. Whoever makes queues
// all the time waits as long.
func (t *topology) awaitNoted(p place) {
	for t.closing.Err() == nil {
		t.mu.Lock()
		left := noteTime - time.Since(t.made)
		if _, young := t.young[p]; !young || left <= 0 {
			delete(t.young, p)
			t.mu.Unlock()
			return
		}
		t.mu.Unlock()
		pause(t.closing, left)
	}
}

// isNew is whether this process made a topic's queue.
func (t *topology) isNew(queue string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, fresh := t.fresh[queue]
	return fresh
}

// illTime is how long a queue that does not confirm is passed over.
const illTime = time.Minute

// ails notes that a queue of messages that wait does not confirm.
func (t *topology) ails(p place) {
	if p.wait == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ill[p] = time.Now()
}

// healthy returns a length of wait, that or longer, whose queue is not known to be ill.
func (t *topology) healthy(queue string, ms int64) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.ill) > 0 {
		since, ill := t.ill[place{queue, ms}]
		if !ill || time.Since(since) > illTime {
			break
		}
		ms = stepUp(time.Duration(ms)*time.Millisecond + 1)
	}
	return ms
}

// waitsOf returns the lengths of wait that this process has used before a queue.
func (t *topology) waitsOf(queue string) map[int64]struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	waits := map[int64]struct{}{}
	for p := range t.used {
		if p.queue == queue && p.wait > 0 {
			waits[p.wait] = struct{}{}
		}
	}
	return waits
}

// again declares the queue of a place that was known to be there, and is gone.
func (t *topology) again(p place, until time.Time) error {
	t.mu.Lock()
	delete(t.known, p)
	t.mu.Unlock()
	return t.ensure(p, until)
}

// declareAll first checks those that are there, and only then makes the others. It tells whether it made any.
func (t *topology) declareAll(conn *amqp.Connection, wanted []declaration) (made bool, err error) {
	var missing []declaration
	for _, d := range wanted {
		_, there, err := t.link.inspect(conn, d.name)
		if err == nil && there {
			err = t.link.declare(conn, d)
		}
		if err != nil {
			return false, fmt.Errorf("declare queue %q: %w", d.name, err)
		}
		if !there {
			missing = append(missing, d)
		}
	}
	for _, d := range missing {
		if err := t.link.declare(conn, d); err != nil {
			return made, fmt.Errorf("declare queue %q: %w", d.name, err)
		}
		made = true
	}
	return made, nil
}

func (l *link) declare(conn *amqp.Connection, d declaration) error {
	err := l.onChannel(conn, func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclare(d.name, true, false, false, false, d.args)
		return err
	})
	if isCode(err, amqp.PreconditionFailed) {
		return fmt.Errorf("%w; delete it when it is empty, or set another Config.QueuePrefix: %w", ErrMismatch, err)
	}
	return explain(err)
}

// onChannel does something on a channel of its own: the broker closes it for most errors.
func (l *link) onChannel(conn *amqp.Connection, do func(*amqp.Channel) error) error {
	return l.within(conn, func() error {
		ch, err := conn.Channel()
		if err != nil {
			return fmt.Errorf("%w: %w", ErrDisconnected, err)
		}
		if err := do(ch); err != nil {
			if errors.Is(err, amqp.ErrClosed) || conn.IsClosed() {
				err = fmt.Errorf("%w: %w", ErrDisconnected, err)
			}
			return errors.Join(err, ignoreClosed(ch.Close()))
		}
		return ignoreClosed(ch.Close())
	})
}

func ignoreClosed(err error) error {
	if errors.Is(err, amqp.ErrClosed) {
		return nil
	}
	return err
}

func isCode(err error, code int) bool {
	var told *amqp.Error
	return errors.As(err, &told) && told.Code == code
}

// inspect returns what the broker says of a queue, and whether it is there.
func (l *link) inspect(conn *amqp.Connection, name string) (q amqp.Queue, there bool, err error) {
	err = l.onChannel(conn, func(ch *amqp.Channel) (err error) {
		q, err = ch.QueueDeclarePassive(name, true, false, false, false, nil)
		return err
	})
	if isCode(err, amqp.NotFound) {
		return q, false, nil
	}
	return q, err == nil, explain(err)
}
