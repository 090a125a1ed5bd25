package amqp

import amqp "github.com/rabbitmq/amqp091-go"

// session is one channel that a stream consumes on. Tags of deliveries belong to it.
type session struct {
	ch *amqp.Channel
	*acks
}

func newSession(ch *amqp.Channel) *session { return &session{ch, newAcks(ch)} }

// Names of a session's consumers.
const (
	mainConsumer    = "main"
	droppedConsumer = "dropped"
)

// cancel asks the broker for no more deliveries.
func (s *session) cancel() {
	for _, consumer := range [...]string{mainConsumer, droppedConsumer} {
		if s.ch.Cancel(consumer, false) != nil {
			return // the channel is gone, and with it the consumers
		}
	}
}
