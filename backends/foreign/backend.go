package foreign

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/apart"
	"github.com/redrive-go/redrive/backends/internal/queue"
)

// backend is what New puts together.
type backend struct {
	cfg        *Config
	store      *asyncevents.Backend
	subscriber message.Subscriber
	outlet     *outlet
	publisher  *queue.Publisher
	recent     *recent

	stopping context.Context // ends with Close
	stop     context.CancelFunc
	mu       sync.Mutex
	inboxes  map[*inbox]struct{} // those that are open
}

// New returns a backend that carries events with a Publisher and a Subscriber of any Watermill Pub/Sub, and keeps everything else
// in the store: a backend of package sqlite for one machine, or of postgres or mysql for replicas. The error names every faulty
// argument and field of cfg.
//
// Close of the returned backend closes the store as well. Publisher and Subscriber stay the host's, who closes them after the
// service has ended.
func New(
	publisher message.Publisher, subscriber message.Subscriber, store *asyncevents.Backend, cfg *Config,
) (*asyncevents.Backend, error) {
	b, err := newBackend(publisher, subscriber, store, cfg)
	if err != nil {
		return nil, fmt.Errorf("foreign: new: %w", err)
	}
	return b.whole(), nil
}

func newBackend(
	publisher message.Publisher, subscriber message.Subscriber, store *asyncevents.Backend, cfg *Config,
) (*backend, error) {
	cfg = cfg.withDefaults()
	faults := []error{cfg.validate(), apart.CheckStore(store)}
	if publisher == nil {
		faults = append(faults, errors.New("publisher must not be nil"))
	}
	if subscriber == nil {
		faults = append(faults, errors.New("subscriber must not be nil"))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	b := &backend{
		cfg: cfg, store: store, subscriber: subscriber,
		outlet: &outlet{publisher: publisher, timeout: cfg.PublishTimeout},
		recent: newRecent(recentIDs), inboxes: map[*inbox]struct{}{},
	}
	b.publisher = queue.NewPublisher(&junction{outlet: b.outlet, store: store.Publisher})
	b.stopping, b.stop = context.WithCancel(context.Background())
	return b, nil
}

// whole is the backend as the host sees it: what is not replaced is the store's.
func (b *backend) whole() *asyncevents.Backend {
	w := *b.store
	w.Name = b.cfg.Name
	w.Publisher = b.publisher
	w.Subscriber = b.newSubscriber
	w.Events = &events{
		Events: &apart.Events{Store: b.store.Events, Transport: b.outlet, Log: b.cfg.Logger},
		outbox: b.cfg.Outbox,
	}
	if b.cfg.Waiting != nil && b.store.Backlog != nil {
		w.Backlog = b.backlog
	}
	w.Ping = b.ping
	w.Close = b.close
	return &w
}

// backlog is the store's and what the transport holds. That is asked first: what moves meanwhile is counted twice, not never.
func (b *backend) backlog(ctx context.Context, topic string) (asyncevents.Backlog, error) {
	waiting, err := b.cfg.Waiting(ctx, topic)
	if err != nil {
		return asyncevents.Backlog{}, fmt.Errorf("foreign: count the messages of %q: %w", topic, err)
	}
	total, err := b.store.Backlog(ctx, topic)
	total.Ready += waiting
	return total, err
}

// ping returns nil while store and transport can be used, as far as that is known.
func (b *backend) ping(ctx context.Context) error {
	err := errors.Join(ctx.Err(), b.stopping.Err(), b.outlet.Ready(), b.trouble())
	if err == nil && b.cfg.Ping != nil {
		err = b.cfg.Ping(ctx)
	}
	if err == nil && b.store.Ping != nil {
		err = b.store.Ping(ctx)
	}
	if err != nil {
		return fmt.Errorf("foreign: ping: %w", err)
	}
	return nil
}

// trouble returns why an inbox is not subscribed; nil while all are.
func (b *backend) trouble() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.inboxes {
		if err := i.subscribing.trouble(); err != nil {
			return fmt.Errorf("subscribe to %q: %w", i.topic, err)
		}
	}
	return nil
}

func (b *backend) enter(i *inbox) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inboxes[i] = struct{}{}
}

func (b *backend) leave(i *inbox) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.inboxes, i)
}

func (b *backend) close() error {
	b.stop()
	err := b.publisher.Close()
	if b.store.Close != nil {
		err = errors.Join(err, b.store.Close())
	}
	return err
}
