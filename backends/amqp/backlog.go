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
	// scanners is how many queues are asked for at once.
	scanners = 8
	// countTime is how long a quorum queue's leader may take to say how much it has before RabbitMQ says 0 (rabbit_quorum_queue:stat/1).
	countTime = 250 * time.Millisecond
	// countTries is how often a queue is asked that says 0 so late.
	countTries = 4
)

// backlogs counts messages.
type backlogs struct {
	broker *broker
	store  *asyncevents.Backend

	mu    sync.Mutex
	waits map[string]map[int64]struct{} // that had a queue when this process began, by the topic's queue
}

// count returns the backlog of a topic. Messages go round between the store, the broker and this process, which are asked one after the
// other: so nothing is believed to be there only when that is found twice in a row.
func (b *backlogs) count(ctx context.Context, topic string) (asyncevents.Backlog, error) {
	return twice(func() (asyncevents.Backlog, error) { return b.look(ctx, topic) })
}

func twice(look func() (asyncevents.Backlog, error)) (asyncevents.Backlog, error) {
	total, err := look()
	if err == nil && total == (asyncevents.Backlog{}) {
		return look()
	}
	return total, err
}

// look counts what waits in the store to be handed to the broker, what the broker has, and what this process has in hand: in the order
// in which messages move, so that those that move meanwhile are counted twice rather than never. It leaves when ctx ends.
func (b *backlogs) look(ctx context.Context, topic string) (total asyncevents.Backlog, err error) {
	if b.store.Backlog != nil {
		if total, err = b.store.Backlog(ctx, topic); err != nil {
			return total, err
		}
		total.Ready, total.InFlight = total.Ready+total.InFlight, 0
	}
	beyond, err := b.inTime(ctx, topic)
	if err != nil {
		return asyncevents.Backlog{}, fmt.Errorf("amqp: count the messages of %q: %w", topic, err)
	}
	total.Ready += beyond.Ready
	total.Delayed += beyond.Delayed
	total.InFlight += beyond.InFlight
	return total, nil
}

// inTime is beyond, or the error of ctx when the broker takes longer than that.
func (b *backlogs) inTime(ctx context.Context, topic string) (asyncevents.Backlog, error) {
	var total asyncevents.Backlog
	counted := make(chan error, 1)
	go func() {
		var err error
		total, err = b.beyond(ctx, topic)
		counted <- err
	}()
	select {
	case err := <-counted:
		return total, err
	case <-ctx.Done():
		return asyncevents.Backlog{}, ctx.Err()
	}
}

// beyond counts what has left the store.
func (b *backlogs) beyond(ctx context.Context, topic string) (total asyncevents.Backlog, err error) {
	queue, err := b.broker.queueOf(topic)
	if err != nil {
		return total, nil //nolint:nilerr // no topic can have this name, and so none has messages
	}
	conn, err := b.broker.queues.link.now()
	if err != nil {
		return total, err
	}
	ready, there, err := b.ready(ctx, conn, queue)
	if err != nil {
		return total, err
	}
	waiting, claimed := b.broker.inHand(topic)
	total.Ready, total.InFlight = ready+waiting, claimed
	if there { // else as good as certainly no wait is, and RabbitMQ notes each that is asked for
		total.Delayed, err = b.delayed(ctx, conn, queue)
	}
	return total, err
}

// ready counts what could be delivered at once, and tells whether the topic's queue is there.
func (b *backlogs) ready(ctx context.Context, conn *amqp.Connection, queue string) (n int64, there bool, err error) {
	n, there, err = b.messages(ctx, conn, queue)
	if err != nil || !there {
		return 0, false, err
	}
	dropped, _, err := b.messages(ctx, conn, droppedOf(queue))
	return n + dropped, true, err
}

func (b *backlogs) delayed(ctx context.Context, conn *amqp.Connection, queue string) (n int64, err error) {
	waits, err := b.waitsOf(conn, queue)
	if err != nil {
		return 0, err
	}
	for _, ms := range waits {
		waiting, _, err := b.messages(ctx, conn, waitOf(queue, ms))
		if err != nil {
			return 0, err
		}
		n += waiting
	}
	return n, nil
}

// messages counts what could be delivered of a queue, and tells whether it is there. RabbitMQ says 0 of one whose leader does not answer
// it in time, as if it were empty. So a 0 that comes late is asked for again, a few times: the way to the broker may be long.
func (b *backlogs) messages(ctx context.Context, conn *amqp.Connection, name string) (n int64, there bool, err error) {
	for range countTries {
		if ctx.Err() != nil {
			return 0, false, ctx.Err()
		}
		asked := time.Now()
		q, there, err := b.broker.queues.link.inspect(conn, name)
		if err != nil || !there || q.Messages > 0 || time.Since(asked) < countTime {
			return int64(q.Messages), there, err
		}
	}
	return 0, true, nil
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
