package amqp

import (
	"context"
	"fmt"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
	"golang.org/x/sync/singleflight"
)

// slot is where posts go in: it has a lane open to send them on, and opens another when that one can no longer be used.
type slot struct {
	link    *link
	onWay   int64 // how much a lane has on its way at most
	opening singleflight.Group

	mu   sync.Mutex
	lane *lane
}

func newSlot(l *link, onWay int64) *slot { return &slot{link: l, onWay: onWay} }

// send publishes posts and waits for their confirms until ctx ends.
func (s *slot) send(ctx context.Context, posts []*post) {
	for len(posts) > 0 {
		l, err := s.enter(ctx)
		if err != nil {
			fail(posts, err)
			return
		}
		sent := l.send(ctx, posts)
		l.leave()
		posts = posts[sent:]
	}
}

// enter returns a lane that can be used, which the caller leaves.
func (s *slot) enter(ctx context.Context) (*lane, error) {
	for ctx.Err() == nil {
		conn, err := s.link.open()
		if err != nil {
			return nil, err
		}
		if l := s.now(conn); l != nil && l.enter() {
			return l, nil
		}
		opened := s.opening.DoChan(fmt.Sprintf("%p", conn), func() (any, error) { return nil, s.open(conn) })
		select {
		case result := <-opened:
			if result.Err != nil {
				return nil, result.Err
			}
		case <-ctx.Done():
		}
	}
	return nil, ErrUnconfirmed
}

// now returns the lane of a connection, if there is one.
func (s *slot) now(conn *amqp.Connection) *lane {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lane == nil || s.lane.conn != conn {
		return nil
	}
	return s.lane
}

// open opens a lane, unless there is one that can be used.
func (s *slot) open(conn *amqp.Connection) error {
	if l := s.now(conn); l != nil && l.usable() {
		return nil
	}
	ch, err := s.link.channel(conn)
	if err == nil {
		err = s.link.within(conn, func() error { return ch.Confirm(false) })
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDisconnected, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if conn.IsClosed() { // there may be a lane of the next one by now
		return ErrDisconnected
	}
	s.lane = newLane(conn, ch, s.onWay)
	return nil
}
