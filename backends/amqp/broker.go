package amqp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/redrive-go/redrive/backends/internal/apart"
	"github.com/redrive-go/redrive/backends/internal/gather"
	"github.com/redrive-go/redrive/backends/internal/queue"
)

// broker is RabbitMQ as the backend uses it.
type broker struct {
	cfg      *Config
	log      *slog.Logger
	consumes *link // never blocked, because nothing is published on it
	box      *postbox
	queues   *topology

	stop context.CancelFunc
	work sync.WaitGroup

	mu      sync.Mutex
	streams map[*stream]struct{}
}

// errURL does not show the URL: it may hold a password.
var errURL = errors.New("the broker's URL must be amqp://user:password@host:port/vhost, or amqps, percent-encoded where need be")

// newBroker begins to connect. It returns an error only for what will not pass by itself: a bad URL, or a broker that
// answers and does not let us in.
func newBroker(ctx context.Context, url string, cfg *Config) (*broker, error) {
	if _, err := amqp.ParseURI(url); err != nil {
		return nil, errURL // err shows the URL
	}
	publishes := newLink("publish", dialer(url, cfg, "publish"), cfg)
	b := &broker{
		cfg: cfg, log: cfg.Logger, streams: map[*stream]struct{}{},
		consumes: newLink("consume", dialer(url, cfg, "consume"), cfg),
		box:      newPostbox(publishes),
	}
	keep, stop := context.WithCancel(context.Background())
	b.stop = stop
	controls := newLink("control", dialer(url, cfg, "control"), cfg)
	b.queues = newTopology(keep, controls)
	links := []*link{publishes, b.consumes, controls}
	for _, l := range links {
		b.work.Go(func() { l.keep(keep) })
	}
	for _, l := range links {
		if err := l.first(ctx); err != nil {
			return nil, errors.Join(err, b.Close())
		}
	}
	return b, nil
}

// Close ends the connections. It may be called twice.
func (b *broker) Close() error {
	b.stop()
	b.work.Wait()
	b.queues.close()
	return nil
}

// queueOf returns the name of a topic's queue.
func (b *broker) queueOf(topic string) (string, error) { return queueOf(b.cfg.QueuePrefix, topic) }

// Ready implements apart.Transport.
func (b *broker) Ready() error {
	for _, l := range []*link{b.consumes, b.queues.link} {
		if _, err := l.now(); err != nil {
			return err
		}
	}
	_, err := b.box.link.open()
	return err
}

// Publish implements queue.Appender: it returns when the broker has confirmed all messages. After an error some of them may be
// there.
func (b *broker) Publish(_ context.Context, topic string, messages ...*message.Message) error {
	contents := make([]content, len(messages))
	for i, msg := range messages {
		contents[i] = newContent(msg)
	}
	return first(b.publish(topic, contents))
}

// Send implements apart.Transport.
func (b *broker) Send(ctx context.Context, topic string, msg *message.Message) error {
	until := b.patience()
	if limit, ok := ctx.Deadline(); ok && limit.Before(until) {
		until = limit
	}
	err := first(b.publishUntil(until, topic, []content{newContent(msg)}))
	if err != nil && neverLeft(err) {
		return fmt.Errorf("%w: %w", apart.ErrNotSent, err)
	}
	return err
}

// relay hands on a message that was in the store. It implements apart.Forward.
func (b *broker) relay(ctx context.Context, topic string, msg *message.Message, again bool) error {
	c := newContent(msg)
	c.check = again
	for {
		if _, err := b.box.link.await(ctx); err != nil {
			return err
		}
		err := first(b.publish(topic, []content{c}))
		switch {
		case errors.Is(err, ErrTooLarge), errors.Is(err, queue.ErrBadTopic):
			return fmt.Errorf("%w: %w", apart.ErrUnfit, err)
		case ctx.Err() == nil && errors.Is(err, errNotSent) && (errors.Is(err, ErrDisconnected) || errors.Is(err, ErrBlocked)):
			pause(ctx, tryAgain)
		default:
			return err
		}
	}
}

// patience is until when what is published now may take.
func (b *broker) patience() time.Time { return time.Now().Add(b.cfg.PublishTimeout) }

// publish returns nil when the broker has confirmed all messages, or else what became of each. It takes at most PublishTimeout,
// whoever waits: what is on its way cannot be called back.
func (b *broker) publish(topic string, contents []content) []error {
	return b.publishUntil(b.patience(), topic, contents)
}

func (b *broker) publishUntil(until time.Time, topic string, contents []content) []error {
	name, err := b.queueOf(topic)
	if err != nil {
		return gather.Fail(len(contents), err)
	}
	posts := make([]*post, 0, len(contents))
	errs := make([]error, len(contents))
	at := make([]int, 0, len(contents))
	for i := range contents {
		p, err := b.newPost(name, &contents[i], until)
		if err != nil {
			errs[i] = err
			continue
		}
		posts, at = append(posts, p), append(at, i)
	}
	if len(posts) == len(contents) {
		return b.deliver(until, posts)
	}
	if len(posts) > 0 {
		for i, err := range b.deliver(until, posts) {
			errs[at[i]] = err
		}
	}
	return errs
}

// newPost makes ready what is sent, and the queue that it is sent to.
func (b *broker) newPost(name string, c *content, until time.Time) (*post, error) {
	to := place{queue: name}
	if c.wait > 0 {
		to.wait = b.queues.healthy(name, turn(c.wait))
		c.wait = max(c.wait-time.Duration(to.wait)*time.Millisecond, 0)
	}
	if err := b.queues.ensure(to, until); err != nil {
		return nil, err
	}
	p := newPost(to, c.publishing())
	if size := len(p.Body) + maxHeaders; size > b.cfg.MaxMessageBytes {
		return nil, fmt.Errorf("%w: %d bytes with its metadata, and Config.MaxMessageBytes is %d", ErrTooLarge, size, b.cfg.MaxMessageBytes)
	}
	return p, nil
}

// deliver sends posts, once more where their queue is gone. Of what was sent again without knowing whether the broker has it, it never
// says that the broker has not.
func (b *broker) deliver(until time.Time, posts []*post) []error {
	errs := b.sendAgain(until, posts, b.send(until, posts))
	for i, err := range errs {
		if posts[i].again && err != nil && neverLeft(err) && !errors.Is(err, ErrTooLarge) {
			errs[i] = fmt.Errorf("%w: %v", ErrUnconfirmed, err) //nolint:errorlint // which says that it is not there
		}
	}
	return errs
}

// send publishes posts, and notes which queues of messages that wait do not confirm: RabbitMQ 3 leaves some without a leader when it is
// killed.
func (b *broker) send(until time.Time, posts []*post) []error {
	errs := b.box.sendAll(until, posts)
	for i := range errs {
		if posts[i].silent {
			b.queues.ails(posts[i].place)
		}
	}
	return errs
}

// goneTime is how long a queue that is gone is not declared again: until its consumers have heard that it was deleted.
const goneTime = 500 * time.Millisecond

// sendAgain declares the queues of what was unroutable, and sends it once more.
func (b *broker) sendAgain(until time.Time, posts []*post, errs []error) []error {
	if !errors.Is(errors.Join(errs...), ErrUnroutable) {
		return errs
	}
	pause(b.queues.closing, goneTime)
	var again []*post
	var at []int
	for i, err := range errs {
		if errors.Is(err, ErrUnroutable) && b.queues.again(posts[i].place, until) == nil {
			again, at = append(again, posts[i]), append(at, i)
		}
	}
	if len(again) == 0 {
		return errs
	}
	anew := b.send(until, again)
	for i := range at {
		errs[at[i]] = nil
		if anew != nil {
			errs[at[i]] = anew[i]
		}
	}
	return errs
}
