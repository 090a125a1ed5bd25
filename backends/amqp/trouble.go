package amqp

import (
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/redrive-go/redrive/backends/internal/queue"
)

// Errors of the broker. They come wrapped with the operation and the queue.
var (
	// ErrClosed is returned after Close.
	ErrClosed = queue.ErrClosed
	// ErrDisconnected is returned while there is no connection to the broker, and for what was on its way when it broke off.
	ErrDisconnected = errors.New("the broker cannot be reached")
	// ErrBlocked is returned while the broker takes no messages, because it is short of memory or disk.
	ErrBlocked = errors.New("the broker takes no messages for now")
	// ErrRefused is returned for a message that the broker did not take. It may be sent again.
	ErrRefused = errors.New("the broker refused the message")
	// ErrUnroutable is returned for a message whose queue is not there, and could not be declared.
	ErrUnroutable = errors.New("the broker has no such queue")
	// ErrUnconfirmed is returned for a message that the broker did not confirm in time. It may be there all the same.
	ErrUnconfirmed = errors.New("the broker did not confirm the message in time")
	// ErrTooLarge is returned for a message that is larger than Config.MaxMessageBytes.
	ErrTooLarge = errors.New("the message is too large")
	// ErrAccess is returned where the broker does not let the user in, or not do what is needed: it says what to change.
	ErrAccess = errors.New("the broker denies access")
	// ErrMismatch is returned where a queue exists with other arguments than it is declared with.
	ErrMismatch = errors.New("a queue of this name exists with other arguments")
)

// explain adds to an error of the broker's what to do about it.
func explain(err error) error {
	var told *amqp.Error
	if !errors.As(err, &told) {
		return err
	}
	switch told.Code {
	case amqp.AccessRefused:
		return fmt.Errorf("%w: check the URL's user, password and virtual host, and the user's permissions there "+
			"(configure, write and read on the queues of the topics, write on amq.default, the default exchange): %w", ErrAccess, err)
	case amqp.NotAllowed:
		return fmt.Errorf("%w: check that the URL's virtual host exists, and that the user may use it: %w", ErrAccess, err)
	}
	return err
}

// isFinal is whether an error at the start will not pass by itself. What a broker in trouble answers does: RabbitMQ closes the
// connection with INTERNAL_ERROR when it is too busy to make a quorum queue in time.
func isFinal(err error) bool { return errors.Is(err, ErrAccess) || errors.Is(err, ErrMismatch) }

// neverLeft is whether a message certainly is not with the broker after err.
func neverLeft(err error) bool {
	return errors.Is(err, errNotSent) || errors.Is(err, ErrBlocked) || errors.Is(err, ErrRefused) ||
		errors.Is(err, ErrUnroutable) || errors.Is(err, ErrTooLarge)
}

// errNotSent marks errors of messages that were not sent.
var errNotSent = errors.New("not sent")
