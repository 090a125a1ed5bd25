package amqp

import (
	"cmp"
	"context"
	"math"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/redrive-go/redrive/dlq"
)

const (
	// silence is after how long without a delivery, and with nothing in hand, consuming begins anew. To a consumer of a queue that
	// was deleted and declared again at once, RabbitMQ delivers nothing any more, and does not tell: its channel takes what the new
	// queue delivers for what the old one had delivered before.
	silence = 15 * time.Second
	// settleDown is how long nothing must have come before the broker is asked for no more: see source.take.
	settleDown = 100 * time.Millisecond
	// settleMost is how long that is waited for.
	settleMost = time.Second
	// tryAgain is the wait before another try to consume, after one that failed.
	tryAgain = 100 * time.Millisecond
	// droppedPrefetch is how many dropped messages may be in hand. There are hardly ever any.
	droppedPrefetch = 10
)

// source is a queue that a stream takes messages from: its own, or the one of what the broker dropped from that. Each has a
// channel, and they are on two connections: one that hangs must not hold up the other.
type source struct {
	*stream
	link   *link
	queue  string
	most   int // how many may be in hand
	letter func(*amqp.Delivery) *letter
	deaf   *complaint
}

// sources are a stream's.
func (s *stream) sources() [2]*source {
	of := func(l *link, queue string, most int, letter func(*amqp.Delivery) *letter) *source {
		deaf := &complaint{log: s.log.With("queue", queue), what: "cannot consume; it is tried again"}
		return &source{s, l, queue, most, letter, deaf}
	}
	return [...]*source{
		of(s.consumes, s.queue, min(s.cfg.Concurrency, math.MaxUint16), newLetter),
		of(s.queues.link, droppedOf(s.queue), droppedPrefetch, s.droppedLetter),
	}
}

// run consumes, again and again, until the stream is stopped and closed.
func (s *source) run(closing context.Context) {
	defer s.hush(s)
	for s.stopping.Err() == nil {
		conn, err := s.link.await(s.stopping)
		if err != nil {
			return
		}
		if err := s.consume(closing, conn); err != nil && s.stopping.Err() == nil {
			s.deaf.say(err)
		}
		pause(s.stopping, tryAgain)
	}
}

// consume consumes on one channel, until that is lost or closing ends.
func (s *source) consume(closing context.Context, conn *amqp.Connection) error {
	if err := s.queues.declare(place{queue: s.stream.queue}, time.Now().Add(dialTimeout)); err != nil {
		return err
	}
	ch, err := s.link.channel(conn)
	if err != nil {
		return explain(err)
	}
	if s.stopping.Err() != nil {
		return explain(s.link.within(conn, ch.Close))
	}
	closes := ch.NotifyClose(make(chan *amqp.Error, 1))
	defer func() { _ = s.link.within(conn, ch.Close) }() // what it could tell does not matter any more
	session := newSession(ch)
	if err := s.link.within(conn, func() error { return session.begin(s.queue, s.most) }); err != nil {
		return explain(err)
	}
	if s.deaf.end() {
		s.log.Info("amqp: consuming again", "queue", s.queue)
	}
	acking, endAcks := context.WithCancel(context.WithoutCancel(closing))
	acked := make(chan struct{})
	go func() {
		defer close(acked)
		session.ackAll(acking)
	}()
	s.take(closing, conn, session)
	s.loses(session)
	endAcks()
	<-acked
	select {
	case reason := <-closes:
		if reason != nil {
			return explain(reason)
		}
	default:
	}
	return nil
}

// take takes what the broker delivers, until it ends that or closing ends.
//
// Once the stream is stopped, no more is asked for. What RabbitMQ delivers to a consumer while it cancels it comes to nobody, and
// counts. So nothing is acknowledged first, which would make room for more, nor published what comes back, until no more
// comes, or for settleMost.
func (s *source) take(closing context.Context, conn *amqp.Connection, session *session) {
	stop := s.stopping.Done()
	silent, calm := time.NewTicker(silence), time.NewTimer(time.Hour)
	defer silent.Stop()
	defer calm.Stop()
	var until time.Time // when it is no longer waited that no more comes
	var d amqp.Delivery // one for all: nobody keeps it
	var open bool
	for {
		select {
		case d, open = <-session.deliveries:
			if open {
				silent.Reset(silence)
				if stop == nil {
					calm.Reset(min(settleDown, time.Until(until)))
				}
				s.arrives(session, s.letter(&d))
				continue
			}
			session.deliveries = nil
			if !s.goesOn(conn, session) {
				return
			}
		case <-silent.C:
			if stop != nil && s.emptyHanded(session) {
				s.cancel(conn, session)
			}
		case <-stop:
			stop = nil
			session.hold()
			until = time.Now().Add(settleMost)
			calm.Reset(settleDown)
		case <-calm.C:
			if s.sending.Load() > 0 && time.Now().Before(until) {
				calm.Reset(settleDown) // after what is about to come back
				continue
			}
			s.cancel(conn, session)
		case <-closing.Done():
			return
		}
	}
}

// cancel asks for no more deliveries. The channel may be gone, and with it the consumer: then its deliveries end as well.
func (s *source) cancel(conn *amqp.Connection, session *session) {
	_ = s.link.within(conn, session.cancel)
	session.release()
}

// goesOn decides what follows when the broker delivers no more, because it was asked for that or the queue is gone: after a silence that
// something broke at the last moment, more is asked for on the same channel; at the end, closing is waited for.
func (s *source) goesOn(conn *amqp.Connection, session *session) bool {
	if s.stopping.Err() != nil {
		session.release()
		if session.ch.IsClosed() { // what it delivered goes elsewhere, and must not be given back as well
			s.loses(session)
		}
		s.hush(s)
		return true
	}
	return session.cancelled && !s.emptyHanded(session) &&
		s.link.within(conn, func() error { return session.begin(s.queue, s.most) }) == nil
}

// droppedLetter is a message that the broker dropped: after many deliveries, or as a policy of the host's has it. It goes to the DLQ
// without another attempt.
func (s *stream) droppedLetter(d *amqp.Delivery) *letter {
	l := newLetter(d)
	l.starts, l.lost, l.check, l.wait = max(l.starts, s.cfg.Policy.MaxAttempts), 0, true, 0
	reason, _ := d.Headers["x-first-death-reason"].(string)
	msg := &message.Message{Metadata: l.metadata}
	dlq.KeepFailure(msg, dlq.Failure{Type: dlq.TypeLost, Message: "the broker dropped the message: " + cmp.Or(reason, "it does not say why")})
	l.metadata = msg.Metadata
	return l
}
