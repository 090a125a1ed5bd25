package backendtest

import (
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/tests"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/internal/soak"
)

// PubSub runs Watermill's own suite over a backend's transport: once with exactly-once delivery, which holds as long as
// nobody dies, and once without, because the suite then tests more of Close. What it skips is what no backend
// promises: order, consumer groups, old messages for new subscribers, and reconnecting, which needs a command that
// restarts the server: asyncevents runs that case by itself, on servers of its own. The messages are some hundreds, as Watermill has
// them with -short, and tens of thousands when REDRIVE_SOAK is set.
func PubSub(t *testing.T, h Harness) {
	t.Helper()
	for name, features := range map[string]tests.Features{
		"exactly once":  {ExactlyOnceDelivery: true, Persistent: true},
		"at least once": {Persistent: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, h)
			features.ForceShort = !soak.On()
			tests.TestPubSub(t, features, f.pubSub, nil)
		})
	}
}

// pubSub is what one process has: a publisher, which all share, and a consumer of its own.
func (f *fixture) pubSub(t *testing.T) (message.Publisher, message.Subscriber) {
	t.Helper()
	cfg := quick()
	cfg.CloseTimeout = time.Second
	subscriber, err := f.Subscriber(cfg)
	require.NoError(t, err)
	return sharedPublisher{f.Publisher}, subscriber
}

// sharedPublisher is a publisher that others need after it was closed.
type sharedPublisher struct{ message.Publisher }

// Close does nothing.
func (sharedPublisher) Close() error { return nil }
