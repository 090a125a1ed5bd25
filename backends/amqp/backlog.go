package amqp

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"golang.org/x/sync/errgroup"

	"github.com/redrive-go/redrive/asyncevents"
)

const (
	// scanAgain is after how long all lengths of wait are looked for again: other processes may use others.
	scanAgain = time.Minute
	// scanners is how many queues are asked for at once.
	scanners = 8
)

// backlogs counts messages.
type backlogs struct {
	broker *broker
	store  *asyncevents.Backend

	mu    sync.Mutex
	waits map[string]scan // by queue
}

// scan is before which lengths of wait there is a queue.
type scan struct {
	at    time.Time
	found map[int64]struct{}
}

// count returns the backlog of a topic: what the broker has, what this process has in hand, and what waits in the store to be
// handed to the broker.
func (b *backlogs) count(ctx context.Context, topic string) (total asyncevents.Backlog, err error) {
	if total, err = b.atBroker(topic); err != nil {
		return total, fmt.Errorf("amqp: count the messages of %q: %w", topic, err)
	}
	waiting, claimed := b.broker.inHand(topic)
	total.Ready += waiting
	total.InFlight += claimed
	if b.store.Backlog == nil {
		return total, nil
	}
	stored, err := b.store.Backlog(ctx, topic)
	total.Ready += stored.Ready + stored.InFlight
	total.Delayed += stored.Delayed
	total.Estimated = stored.Estimated
	return total, err
}

func (b *backlogs) atBroker(topic string) (total asyncevents.Backlog, err error) {
	queue, err := b.broker.queueOf(topic)
	if err != nil {
		return total, nil //nolint:nilerr // no topic can have this name, and so none has messages
	}
	conn, err := b.broker.consumes.now()
	if err != nil {
		return total, err
	}
	for _, name := range []string{queue, droppedOf(queue)} {
		q, _, err := inspect(conn, name)
		if err != nil {
			return total, err
		}
		total.Ready += int64(q.Messages)
	}
	waits, err := b.waitsOf(conn, queue)
	for _, ms := range waits {
		q, _, err := inspect(conn, waitOf(queue, ms))
		if err != nil {
			return total, err
		}
		total.Delayed += int64(q.Messages)
	}
	return total, err
}

// waitsOf returns the lengths of wait that have a queue. All of them are asked for once in a while, as nothing tells of those that
// other processes have declared.
func (b *backlogs) waitsOf(conn *amqp.Connection, queue string) ([]int64, error) {
	b.mu.Lock()
	s := b.waits[queue]
	b.mu.Unlock()
	if time.Since(s.at) > scanAgain {
		var err error
		if s, err = scanAll(conn, queue); err != nil {
			return nil, err
		}
		b.mu.Lock()
		b.waits[queue] = s
		b.mu.Unlock()
	}
	own := b.broker.queues.waitsOf(queue)
	for ms := range s.found {
		own[ms] = struct{}{}
	}
	return slices.Collect(maps.Keys(own)), nil
}

func scanAll(conn *amqp.Connection, queue string) (scan, error) {
	var mu sync.Mutex
	s := scan{at: time.Now(), found: map[int64]struct{}{}}
	var group errgroup.Group
	group.SetLimit(scanners)
	for _, ms := range steps() {
		group.Go(func() error {
			_, there, err := inspect(conn, waitOf(queue, ms))
			if there {
				mu.Lock()
				s.found[ms] = struct{}{}
				mu.Unlock()
			}
			return err
		})
	}
	return s, group.Wait()
}
