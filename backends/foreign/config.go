package foreign

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
)

// Defaults of Config.
const (
	DefaultName           = "foreign"
	DefaultInboxes        = 16
	DefaultPublishTimeout = 3 * time.Second
)

// Config configures New. Nil and the zero value mean the documented defaults.
type Config struct {
	// Name is the backend's name for logs and metrics, such as "nats". Defaults to DefaultName.
	Name string
	// Inboxes is how many subscriptions of the foreign Subscriber each subscription here opens. Most Subscribers hand out one
	// message at a time for each, so that is how many are stored at once, and share commits: more is faster. Where every
	// subscription gets all messages, rather than its share of them, it has to be 1. Defaults to DefaultInboxes.
	Inboxes int
	// Outbox has every event accepted into the store's queue, with its record in one transaction, as those are whose id the
	// client chose. Events are accepted while the transport is down then, and it carries only what others publish. Defaults to
	// false.
	Outbox bool
	// PublishTimeout is how long the foreign Publisher may take, which need not know of contexts. A call that is late goes on in
	// the background, and nobody knows what comes of it. Defaults to DefaultPublishTimeout.
	PublishTimeout time.Duration
	// Redelivered is whether the transport has delivered a message before, where its messages tell. Those are looked up in the
	// store before they are taken. Defaults to a guess: those that have been on their way for longer than a second.
	Redelivered func(msg *message.Message) bool
	// Waiting returns how many messages of a topic the transport holds that it has not seen acknowledged. It is added to the
	// store's backlog. Defaults to none.
	Waiting func(ctx context.Context, topic string) (int64, error)
	// Ping returns nil while the transport can be used, where that can be asked. It becomes part of Backend.Ping, which also
	// knows of subscriptions that cannot be opened and of publishing that hangs. Defaults to nil.
	Ping func(ctx context.Context) error
	// Logger gets what the backend has to say. Defaults to slog.Default.
	Logger *slog.Logger
}

// withDefaults returns a copy with the defaults.
func (c *Config) withDefaults() *Config {
	d := Config{}
	if c != nil {
		d = *c
	}
	if d.Name == "" {
		d.Name = DefaultName
	}
	if d.Inboxes == 0 {
		d.Inboxes = DefaultInboxes
	}
	if d.PublishTimeout == 0 {
		d.PublishTimeout = DefaultPublishTimeout
	}
	if d.Logger == nil {
		d.Logger = slog.Default()
	}
	return &d
}

// validate returns every fault of a configuration with its defaults.
func (c *Config) validate() error {
	var faults []error
	if c.Inboxes < 1 {
		faults = append(faults, fmt.Errorf("Inboxes must be at least 1, not %d", c.Inboxes))
	}
	if c.PublishTimeout < 0 {
		faults = append(faults, fmt.Errorf("PublishTimeout must not be negative, not %s", c.PublishTimeout))
	}
	return errors.Join(faults...)
}
