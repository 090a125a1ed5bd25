//go:build !race

package asyncevents_test

import (
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/components/delay"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/tests"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/internal/soak"
	"github.com/redrive-go/redrive/internal/testserver"
)

// Watermill's own case of a server that is restarted twice under load, which its suite leaves out without a command for that: on
// each server in the long form. It is not run under the race detector: the case reads the list of what it published without waiting
// for who writes it.
func TestReconnect(t *testing.T) {
	chosen := map[string]func(*testing.T) *privateServer{"postgres": privateServers["postgres"]}
	if soak.On() {
		chosen = privateServers
		t.Run("broker", func(t *testing.T) { // it takes the longest to come back: not beside other cases, since it gets a minute in all
			server := testserver.PrivateRabbitMQ(t)
			reconnects(t, &privateServer{server, carried(newFile(t), server.DSN(), "")})
		})
	}
	t.Parallel()
	onEachOf(t, chosen, reconnects)
}

func reconnects(t *testing.T, server *privateServer) {
	b := server.database.open(t)
	features := tests.Features{Persistent: true, RestartServiceCommand: restartCommand(t, server.Server)}
	tests.TestReconnect(t, tests.TestContext{TestID: tests.NewTestID(), Features: features},
		func(t *testing.T) (message.Publisher, message.Subscriber) {
			sub, err := b.Subscriber(asyncevents.SubscriberConfig{
				Concurrency: 100, Lease: 2 * time.Second, // of claims of which nobody heard
			})
			require.NoError(t, err)
			return latePublisher{b.Publisher}, sub
		})
}

// latePublisher has messages come late, when the case has long noted that they were published: what comes before is one too many
// to it.
type latePublisher struct{ message.Publisher }

// Publish implements message.Publisher.
func (p latePublisher) Publish(topic string, messages ...*message.Message) error {
	for _, msg := range messages {
		delay.Message(msg, delay.For(time.Second))
	}
	return p.Publisher.Publish(topic, messages...)
}
