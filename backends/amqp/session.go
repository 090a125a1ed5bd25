package amqp

import (
	"math"

	amqp "github.com/rabbitmq/amqp091-go"
)

// session is one channel that a stream consumes on. Tags of deliveries belong to it.
type session struct {
	ch *amqp.Channel
	*acks
	deliveries <-chan amqp.Delivery // of the topic's queue; nil after its end
	dropped    <-chan amqp.Delivery // of what the broker dropped from it; likewise
	cancelled  bool                 // no more was asked for
}

// Names of a session's consumers.
const (
	mainConsumer    = "main"
	droppedConsumer = "dropped"
)

func newSession(ch *amqp.Channel) *session { return &session{ch: ch, acks: newAcks(ch)} }

// begin asks the broker for deliveries of the stream's queues.
func (s *session) begin(of *stream) (err error) {
	s.cancelled = false
	if err := s.ch.Qos(min(of.cfg.Concurrency, math.MaxUint16), 0, false); err != nil {
		return err
	}
	s.dropped, err = s.ch.Consume(droppedOf(of.queue), droppedConsumer, false, false, false, false, nil)
	if err != nil {
		return err
	}
	s.deliveries, err = s.ch.Consume(of.queue, mainConsumer, false, false, false, false, nil)
	return err
}

// cancel asks the broker for no more deliveries, which ends them when all that were on their way have come.
func (s *session) cancel(on *link, conn *amqp.Connection) {
	s.cancelled = true
	for _, consumer := range [...]string{mainConsumer, droppedConsumer} {
		if on.within(conn, func() error { return s.ch.Cancel(consumer, false) }) != nil {
			return // the channel is gone, and with it the consumers
		}
	}
}

// drain takes the deliveries that are left, once no more come.
func (s *session) drain(take func(*letter), dropped func(*amqp.Delivery) *letter) {
	if !s.cancelled {
		return
	}
	for s.deliveries != nil || s.dropped != nil {
		select {
		case d, open := <-s.deliveries:
			if open {
				take(newLetter(&d))
			} else {
				s.deliveries = nil
			}
		case d, open := <-s.dropped:
			if open {
				take(dropped(&d))
			} else {
				s.dropped = nil
			}
		}
	}
}
