package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/gather"
	"github.com/redrive-go/redrive/backends/internal/queue"
)

// claimTries is how often a claim is tried whose connection broke off. Each may have been made, which costs its messages an
// attempt, so they are few.
const claimTries = 3

// maxPublishBatch bounds how many Publish calls share one insert.
const maxPublishBatch = 512

// Queue implements queue.Driver.
type Queue struct {
	db       Database
	dialect  Dialect
	bell     queue.Bell
	announce func(topic string)
	publish  *gather.Gatherer[*publishing]

	mu     sync.Mutex
	topics map[string]struct{} // those with a consumer in this process
}

// publishing is a call of Publish.
type publishing struct {
	answer
	messages []Outgoing
}

// NewQueue returns a Queue. announce, when not nil, is called after a commit with each topic that has new messages: it
// tells other processes.
func NewQueue(db Database, dialect Dialect, announce func(topic string)) *Queue {
	q := &Queue{db: db, dialect: dialect, announce: announce, topics: map[string]struct{}{}}
	q.publish = gather.New(maxPublishBatch, 1, q.flush)
	return q
}

// Wakes implements queue.Driver.
func (q *Queue) Wakes() *queue.Bell { return &q.bell }

// Publish implements queue.Driver.
func (q *Queue) Publish(ctx context.Context, topic string, messages ...*message.Message) error {
	out, err := Encode(topic, messages...)
	if err != nil {
		return fmt.Errorf("%s: publish: %w", q.dialect.Name(), err)
	}
	return join(ctx, q.publish, &publishing{messages: out})
}

// join hands a call to the next flush, unless its context has ended already. One that ends later is too late: the flush
// is shared.
func join[T any](ctx context.Context, g *gather.Gatherer[T], call T) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return g.Do(call)
}

func (q *Queue) flush(batch []*publishing) []error {
	each(batch, q.publishTogether)
	return answers(batch)
}

func (q *Queue) publishTogether(batch []*publishing) error {
	var all []Outgoing
	for _, p := range batch {
		all = append(all, p.messages...)
	}
	all = byTopic(all)
	err := q.db.Write(context.Background(), func(t Tx) error { return q.dialect.Publish(t, all) })
	if err == nil {
		q.Ring(all)
	}
	return err
}

// Ring wakes the consumers of the topics that messages went to, here and elsewhere.
func (q *Queue) Ring(messages []Outgoing) {
	for topic := range Runs(messages, TopicOf) {
		q.RingTopic(topic)
	}
}

// RingTopic wakes the consumers of a topic, here and elsewhere.
func (q *Queue) RingTopic(topic string) {
	q.bell.Ring(topic)
	if q.announce != nil {
		q.announce(topic)
	}
}

// looks are when consumers look for what a host's transaction brings. When it commits is not known here, and announcing
// it within the transaction would have PostgreSQL commit such transactions one by one.
var looks = [...]time.Duration{2 * time.Millisecond, 10 * time.Millisecond, 50 * time.Millisecond, 250 * time.Millisecond}

// ringSoon wakes the consumers of a topic a few times in the near future.
func (q *Queue) ringSoon(topic string) {
	for _, wait := range looks {
		time.AfterFunc(wait, func() { q.RingTopic(topic) })
	}
}

// Claim implements queue.Driver.
func (q *Queue) Claim(ctx context.Context, p queue.ClaimParams) ([]queue.Claimed, time.Duration, error) {
	q.note(p.Topic)
	var claimed []queue.Claimed
	var next time.Duration
	err := patiently(ctx, claimTries, func() (err error) {
		claimed, next, err = q.dialect.Claim(ctx, p)
		p.Owner = queue.NewOwner() // one that broke off may have been made, and must not be taken for the next
		return err
	}, ErrBroken)
	if err != nil {
		return nil, 0, fmt.Errorf("%s: claim from %q: %w", q.dialect.Name(), p.Topic, err)
	}
	return claimed, next, nil
}

func (q *Queue) note(topic string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.topics[topic] = struct{}{}
}

// Settle implements queue.Driver.
func (q *Queue) Settle(ctx context.Context, settlements []queue.Settlement) (held []bool, err error) {
	err = q.db.Write(ctx, func(t Tx) error {
		held, err = q.dialect.Settle(t, settlements)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: settle: %w", q.dialect.Name(), err)
	}
	if slices.ContainsFunc(settlements, func(s queue.Settlement) bool { return s.Outcome != queue.Done }) {
		q.ringConsumers()
	}
	return held, nil
}

// ringConsumers has the consumers of this process look again when their next message is due. Which topic a message
// belongs to is not known here; the topics are few, so all are rung.
func (q *Queue) ringConsumers() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for topic := range q.topics {
		q.bell.Ring(topic)
	}
}

// Renew implements queue.Driver.
func (q *Queue) Renew(ctx context.Context, claims []queue.Held, lease time.Duration) ([]queue.Held, error) {
	var kept []queue.Held
	err := q.db.Write(ctx, func(t Tx) (err error) {
		kept, err = q.dialect.Renew(t, claims, lease)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: renew leases: %w", q.dialect.Name(), err)
	}
	if len(kept) == len(claims) {
		return nil, nil
	}
	return slices.DeleteFunc(slices.Clone(claims), func(c queue.Held) bool { return slices.Contains(kept, c) }), nil
}

// Expired implements queue.Driver.
func (q *Queue) Expired(ctx context.Context, topic string, limit int) (expired []queue.Claimed, err error) {
	err = q.db.Read(ctx, func(t Tx) error {
		expired = nil
		return q.dialect.Expired(t, topic, limit, func(row Scanner) error {
			c, err := scanExpired(row)
			expired = append(expired, c)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("%s: look for expired leases of %q: %w", q.dialect.Name(), topic, err)
	}
	return expired, nil
}

// Backlog counts the messages of a topic.
func (q *Queue) Backlog(ctx context.Context, topic string) (b asyncevents.Backlog, err error) {
	err = q.db.Read(ctx, func(t Tx) (err error) {
		b, err = q.dialect.Backlog(t, topic)
		return err
	})
	if err != nil {
		return b, fmt.Errorf("%s: count the messages of %q: %w", q.dialect.Name(), topic, err)
	}
	return b, nil
}
