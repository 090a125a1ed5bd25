package amqp

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
	"golang.org/x/sync/errgroup"

	"github.com/redrive-go/redrive/asyncevents"
)

// scanners is how many queues are asked for at once.
const scanners = 8

// backlogs counts messages.
type backlogs struct {
	broker *broker
	store  *asyncevents.Backend

	mu    sync.Mutex
	waits map[string]map[int64]struct{} // that had a queue when this process began, by the topic's queue
}

// count returns the backlog of a topic: what waits in the store to be handed to the broker, what the broker has, and what this process
// has in hand. It asks in the order in which messages move, so that those that move meanwhile are counted twice, not never.
func (b *backlogs) count(ctx context.Context, topic string) (total asyncevents.Backlog, err error) {
	if b.store.Backlog != nil {
		if total, err = b.store.Backlog(ctx, topic); err != nil {
			return total, err
		}
		total.Ready, total.InFlight = total.Ready+total.InFlight, 0
	}
	if err := b.beyond(topic, &total); err != nil {
		return total, fmt.Errorf("amqp: count the messages of %q: %w", topic, err)
	}
	return total, nil
}

// beyond adds what has left the store.
func (b *backlogs) beyond(topic string, total *asyncevents.Backlog) error {
	queue, err := b.broker.queueOf(topic)
	if err != nil {
		return nil //nolint:nilerr // no topic can have this name, and so none has messages
	}
	conn, err := b.broker.queues.link.now()
	if err != nil {
		return err
	}
	ready, there, err := b.ready(conn, queue)
	if err != nil {
		return err
	}
	waiting, claimed := b.broker.inHand(topic)
	total.Ready += ready + waiting
	total.InFlight += claimed
	if !there {
		return nil // and nothing waits for it
	}
	delayed, err := b.delayed(conn, queue)
	total.Delayed += delayed
	return err
}

// ready returns how many messages could be delivered at once, and whether their queue is there.
func (b *backlogs) ready(conn *amqp.Connection, queue string) (n int64, there bool, err error) {
	for _, name := range []string{queue, droppedOf(queue)} {
		q, there, err := b.broker.queues.link.inspect(conn, name)
		if err != nil || !there {
			return n, false, err
		}
		n += int64(q.Messages)
	}
	return n, true, nil
}

func (b *backlogs) delayed(conn *amqp.Connection, queue string) (n int64, err error) {
	waits, err := b.waitsOf(conn, queue)
	if err != nil {
		return 0, err
	}
	for _, ms := range waits {
		q, _, err := b.broker.queues.link.inspect(conn, waitOf(queue, ms))
		if err != nil {
			return n, err
		}
		n += int64(q.Messages)
	}
	return n, nil
}

// waitsOf returns the lengths of wait that have a queue. Nothing tells of those that other processes declared, so all of them are asked
// for, once, where the topic is older than this process: for each that is missing RabbitMQ writes a line into its log. Those that
// another process uses first from then on are not counted.
func (b *backlogs) waitsOf(conn *amqp.Connection, queue string) ([]int64, error) {
	b.mu.Lock()
	found := b.waits[queue]
	b.mu.Unlock()
	if found == nil && !b.broker.queues.isNew(queue) {
		var err error
		if found, err = b.scan(conn, queue); err != nil {
			return nil, err
		}
		b.mu.Lock()
		b.waits[queue] = found
		b.mu.Unlock()
	}
	own := b.broker.queues.waitsOf(queue)
	for ms := range found {
		own[ms] = struct{}{}
	}
	return slices.Collect(maps.Keys(own)), nil
}

func (b *backlogs) scan(conn *amqp.Connection, queue string) (map[int64]struct{}, error) {
	var mu sync.Mutex
	found := map[int64]struct{}{}
	var group errgroup.Group
	group.SetLimit(scanners)
	for _, ms := range steps() {
		group.Go(func() error {
			_, there, err := b.broker.queues.link.inspect(conn, waitOf(queue, ms))
			if there {
				mu.Lock()
				found[ms] = struct{}{}
				mu.Unlock()
			}
			return err
		})
	}
	return found, group.Wait()
}
