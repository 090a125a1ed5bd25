package asyncevents

import (
	"errors"
	"fmt"
	"time"

	"github.com/redrive-go/redrive/retry"
)

// SubscriberConfig configures one consumer of a transport. Zero values mean the documented defaults.
type SubscriberConfig struct {
	// Concurrency is how many messages may be in flight at once, that is, delivered and not acknowledged. As many again
	// may be on their way into the store: a crash can have up to both of them delivered a second time. Where handlers
	// are quick, up to as many are claimed for the places that will be free in a moment. Defaults to 100.
	Concurrency int
	// Lease is how long a claim holds without renewal. A message whose consumer died is delivered again after this
	// time. At least 100 ms. Defaults to 30 s.
	Lease time.Duration
	// AttemptTimeout is when a delivered message's context ends, and its lease is no longer renewed. Defaults to 1 minute.
	AttemptTimeout time.Duration
	// CloseTimeout is how long Close waits for messages in flight to be settled before it cancels their contexts
	// and gives them back, for which it takes 2 s more at most: what a store does not take until then comes back when its
	// lease has run out. Defaults to 30 s.
	CloseTimeout time.Duration
	// PollInterval is how often the store is asked for messages that no notification announced. Defaults to 1 s.
	PollInterval time.Duration
	// Policy says when a message comes back whose Nack names no delay, and one whose consumer died. Defaults to
	// retry.Policy's defaults.
	Policy retry.Policy
	// Relay is for a consumer that only hands messages on to another transport: an attempt that ended without a word, by a
	// lost lease or a shutdown, was none at what the message stands for, and is not added to its history. It counts as a
	// delivery all the same. It holds for what this consumer finds lost, so all consumers of a topic should agree.
	// Defaults to false.
	Relay bool
}

// Defaults of SubscriberConfig.
const (
	DefaultConcurrency    = 100
	DefaultLease          = 30 * time.Second
	DefaultAttemptTimeout = time.Minute
	DefaultCloseTimeout   = 30 * time.Second
	DefaultPollInterval   = time.Second
)

// MinLease is the shortest lease: shorter ones would run out before they can be renewed.
const MinLease = 100 * time.Millisecond

// WithDefaults returns the configuration with its zero fields set to their defaults.
func (c SubscriberConfig) WithDefaults() SubscriberConfig {
	set := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	if c.Concurrency == 0 {
		c.Concurrency = DefaultConcurrency
	}
	set(&c.Lease, DefaultLease)
	set(&c.AttemptTimeout, DefaultAttemptTimeout)
	set(&c.CloseTimeout, DefaultCloseTimeout)
	set(&c.PollInterval, DefaultPollInterval)
	c.Policy = c.Policy.WithDefaults()
	return c
}

// Validate returns every fault of the configuration with its defaults applied, joined, each naming its field and limit.
func (c SubscriberConfig) Validate() error {
	c = c.WithDefaults()
	var faults []error
	if c.Concurrency < 1 {
		faults = append(faults, fmt.Errorf("Concurrency must be at least 1, not %d", c.Concurrency))
	}
	if c.Lease < MinLease {
		faults = append(faults, fmt.Errorf("Lease must be at least %s, not %s", MinLease, c.Lease))
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"AttemptTimeout", c.AttemptTimeout}, {"CloseTimeout", c.CloseTimeout}, {"PollInterval", c.PollInterval}} {
		if d.value < 0 {
			faults = append(faults, fmt.Errorf("%s must not be negative, not %s", d.name, d.value))
		}
	}
	return errors.Join(append(faults, c.Policy.Validate())...)
}
