package amqp

import (
	amqp "github.com/rabbitmq/amqp091-go"
)

// session is one channel that a source consumes on. Tags of deliveries belong to it.
type session struct {
	ch *amqp.Channel
	*acks
	deliveries <-chan amqp.Delivery
	cancelled  bool // no more was asked for
}

// consumer is the name of a session's consumer.
const consumer = "redrive"

func newSession(ch *amqp.Channel) *session { return &session{ch: ch, acks: newAcks(ch)} }

// begin asks the broker for deliveries, of which so many may be in hand.
func (s *session) begin(queue string, most int) (err error) {
	s.cancelled = false
	if err := s.ch.Qos(most, 0, false); err != nil {
		return err
	}
	s.deliveries, err = s.ch.Consume(queue, consumer, false, false, false, false, nil)
	return err
}

// cancel asks the broker for no more deliveries, which ends them when all that were on their way have come.
func (s *session) cancel() error {
	s.cancelled = true
	return s.ch.Cancel(consumer, false)
}
