package amqp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/apart"
	"github.com/redrive-go/redrive/backends/internal/queue"
)

// Defaults and limits of Config.
const (
	DefaultPublishTimeout  = 3 * time.Second
	DefaultMaxMessageBytes = 16 << 20
)

// maxPrefix is the largest length of Config.QueuePrefix in bytes.
const maxPrefix = 100

// Config configures Open. Nil and the zero value mean the documented defaults.
type Config struct {
	// Outbox has events accepted while the broker is down: each goes into the store first, and from there to the broker, as soon
	// as it is there. Without it only those do whose id the client chose, which is what keeps them from being taken twice, and none
	// while the broker is down. It lets Service.AcceptTx work as well, with a store that can.
	Outbox bool
	// QueuePrefix is what the names of queues begin with, before the topic. Services that share a virtual host must have
	// different ones, or a different asyncevents.Config.TopicPrefix: else each processes what the other accepted. At most 100
	// bytes, without "#". Defaults to "".
	QueuePrefix string
	// PublishTimeout is how long the broker may take to confirm a message, and, when it is longer than 5 s, to answer anything
	// else before its connection is made anew. Defaults to DefaultPublishTimeout.
	PublishTimeout time.Duration
	// MaxMessageBytes is the largest size of a message with its metadata that is sent: the broker would close the channel for a
	// larger one than its max_message_size. Defaults to DefaultMaxMessageBytes, which is RabbitMQ 4's.
	MaxMessageBytes int
	// TLS is for URLs that begin with amqps. Defaults to the host's root certificates.
	TLS *tls.Config
	// Logger gets what the backend has to say. Defaults to slog.Default.
	Logger *slog.Logger
}

// withDefaults returns a copy with the defaults.
func (c *Config) withDefaults() *Config {
	d := Config{}
	if c != nil {
		d = *c
	}
	if d.PublishTimeout == 0 {
		d.PublishTimeout = DefaultPublishTimeout
	}
	if d.MaxMessageBytes == 0 {
		d.MaxMessageBytes = DefaultMaxMessageBytes
	}
	if d.Logger == nil {
		d.Logger = slog.Default()
	}
	return &d
}

// validate returns every fault of a configuration with its defaults.
func (c *Config) validate() error {
	var faults []error
	if c.PublishTimeout < 0 {
		faults = append(faults, fmt.Errorf("PublishTimeout must not be negative, not %s", c.PublishTimeout))
	}
	if strings.Contains(c.QueuePrefix, separator) || strings.HasPrefix(c.QueuePrefix, "amq.") || len(c.QueuePrefix) > maxPrefix {
		faults = append(faults, fmt.Errorf("QueuePrefix must have no %q, not begin with \"amq.\", and have at most %d bytes, not %q",
			separator, maxPrefix, c.QueuePrefix))
	}
	if c.MaxMessageBytes < maxHeaders {
		faults = append(faults, fmt.Errorf("MaxMessageBytes must be at least %d, not %d", maxHeaders, c.MaxMessageBytes))
	}
	return errors.Join(faults...)
}

// backend is what Open puts together.
type backend struct {
	broker *broker
	store  *asyncevents.Backend
	relays *apart.Relays
}

// Open connects to the broker at a URL (amqp://user:password@host:port/vhost, or amqps) and returns a backend that carries events
// and callbacks with it, and remembers everything else in the store: a backend of package sqlite for one process, or of postgres or
// mysql for replicas. Close of the returned backend closes the store as well.
//
// A broker that cannot be reached is no error: the backend is not ready until it is there, see asyncevents.Service.Ping, and then
// begins by itself. One that answers and denies access is ErrAccess, and then the store is left open.
func Open(ctx context.Context, url string, store *asyncevents.Backend, cfg *Config) (*asyncevents.Backend, error) {
	b, err := open(ctx, url, store, cfg)
	if err != nil {
		return nil, fmt.Errorf("amqp: open: %w", err)
	}
	return b.whole(), nil
}

func open(ctx context.Context, url string, store *asyncevents.Backend, cfg *Config) (*backend, error) {
	cfg = cfg.withDefaults()
	if err := errors.Join(cfg.validate(), apart.CheckStore(store)); err != nil {
		return nil, err
	}
	broker, err := newBroker(ctx, url, cfg)
	if err != nil {
		return nil, err
	}
	return &backend{broker: broker, store: store, relays: apart.NewRelays(store, broker.relay, cfg.Logger)}, nil
}

// whole is the backend as the host sees it: what is not replaced is the store's.
func (b *backend) whole() *asyncevents.Backend {
	w := *b.store
	w.Name = "amqp"
	w.Publisher = queue.NewPublisher(b.broker)
	w.Subscriber = b.subscriber
	w.Events = &events{b.newEvents(), b.broker}
	w.Transactions = apart.NewTransactions(b.store.Transactions, b.relays)
	w.DeadLetters = &deadLetters{b.store.DeadLetters, b.broker}
	w.Backlog = (&backlogs{broker: b.broker, store: b.store, waits: map[string]map[int64]struct{}{}}).count
	w.Ping = b.ping
	w.Close = b.close
	return &w
}

func (b *backend) newEvents() *apart.Events {
	return &apart.Events{
		Store: b.store.Events, Transport: b.broker, Outbox: b.broker.cfg.Outbox,
		Stored: b.relays.Run, Log: b.broker.log,
	}
}

// ping returns nil while both the broker and the store can be used.
func (b *backend) ping(ctx context.Context) error {
	err := ctx.Err()
	if err == nil {
		err = b.broker.Ready()
	}
	if err == nil && b.store.Ping != nil {
		err = b.store.Ping(ctx)
	}
	if err != nil {
		return fmt.Errorf("amqp: ping: %w", err)
	}
	return nil
}

func (b *backend) close() error {
	err := errors.Join(b.relays.Close(), b.broker.Close())
	if b.store.Close != nil {
		err = errors.Join(err, b.store.Close())
	}
	return err
}
