package amqp

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// sayAgain is after how long the same trouble is news again.
const sayAgain = time.Minute

// complaint is one kind of trouble, of which the log gets to know when it begins, when its cause changes, and once in a while.
type complaint struct {
	log  *slog.Logger
	what string

	mu    sync.Mutex
	cause string
	at    time.Time
}

// say notes that there is trouble.
func (c *complaint) say(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kind := root(cause).Error()
	if c.cause == kind && time.Since(c.at) < sayAgain {
		return
	}
	c.cause, c.at = kind, time.Now()
	c.log.WarnContext(context.Background(), "amqp: "+c.what, "error", cause)
}

// end notes that there is none, and returns whether there was.
func (c *complaint) end() (was bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	was = c.cause != ""
	c.cause = ""
	return was
}

// root is what an error began with: what wraps it names queues and addresses, which differ from one message to the next.
func root(err error) error {
	for {
		switch e := err.(type) { //nolint:errorlint // walks the chain itself
		case interface{ Unwrap() error }:
			if e.Unwrap() == nil {
				return err
			}
			err = e.Unwrap()
		case interface{ Unwrap() []error }:
			if len(e.Unwrap()) == 0 {
				return err
			}
			err = e.Unwrap()[len(e.Unwrap())-1]
		default:
			return err
		}
	}
}
