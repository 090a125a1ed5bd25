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
	conn, err := b.broker.queues.link.now()
	if err != nil {
		return total, err
	}
	for _, name := range []string{queue, droppedOf(queue)} {
		q, there, err := b.broker.queues.link.inspect(conn, name)
		if err != nil || !there {
			return total, err // without it, nothing waits for it
		}
		total.Ready += int64(q.Messages)
	}
	waits, err := b.waitsOf(conn, queue)
	for _, ms := range waits {
		q, _, err := b.broker.queues.link.inspect(conn, waitOf(queue, ms))
		if err != nil {
			return total, err
		}
		total.Delayed += int64(q.Messages)
	}
	return total, err
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
