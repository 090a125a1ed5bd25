package asyncevents_test

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"testing"

	amqp091 "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/amqp"
	"github.com/redrive-go/redrive/internal/testserver"
)

// carried is a database of which a broker carries the messages.
func carried(d *database, url, prefix string) *database {
	return carriedBy(d, url, amqp.Config{QueuePrefix: prefix})
}

func carriedBy(d *database, url string, cfg amqp.Config) *database {
	c := *d
	c.open = func(t *testing.T) *asyncevents.Backend { return openAMQP(t, url, cfg, d.open(t)) }
	return &c
}

// carrying makes databases of which a broker carries the messages, in queues of their own. It is waited for however busy the machine
// is: what it does not confirm in time is sent again, and runs twice.
func carrying(make func(*testing.T) *database) func(*testing.T) *database {
	return func(t *testing.T) *database {
		t.Helper()
		url, prefix := ownQueues(t)
		return carriedBy(make(t), url, amqp.Config{QueuePrefix: prefix, PublishTimeout: patience})
	}
}

// ownQueues returns the URL of the broker, and a prefix for the names of queues, which are deleted when the test ends.
func ownQueues(t *testing.T) (url, prefix string) {
	t.Helper()
	url, prefix = testserver.AMQP(t), rand.Text()+"."
	t.Cleanup(func() { deleteQueues(t, url, prefix) })
	return url, prefix
}

func openAMQP(t *testing.T, url string, cfg amqp.Config, store *asyncevents.Backend) *asyncevents.Backend {
	t.Helper()
	cfg.Logger = slog.New(slog.DiscardHandler)
	b, err := amqp.Open(t.Context(), url, store, &cfg)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, b.Close()) })
	return b
}

// deleteQueues deletes the queues of a prefix. To delete one that there is not is no error.
func deleteQueues(t *testing.T, url, prefix string) {
	t.Helper()
	conn, ch := channelTo(t, url)
	for _, topic := range asyncevents.Queues() {
		queue := prefix + asyncevents.DefaultTopicPrefix + topic
		for _, name := range append(waitQueues(queue), queue+"#dropped", queue) {
			_, err := ch.QueueDelete(name, false, false, true)
			require.NoError(t, err)
		}
	}
	assert.NoError(t, ch.Close(), "the broker has deleted all of them")
	assert.NoError(t, conn.Close())
}

// waitQueues are the names of the queues in which messages of a queue may wait for up to an hour: four binary digits name a length.
func waitQueues(queue string) (names []string) {
	for shift := range 19 {
		for digits := range 16 {
			if digits >= 8 || shift == 0 {
				names = append(names, fmt.Sprintf("%s#wait#%d", queue, digits<<shift))
			}
		}
	}
	return names
}

func channelTo(t *testing.T, url string) (*amqp091.Connection, *amqp091.Channel) {
	t.Helper()
	conn, err := amqp091.Dial(url)
	require.NoError(t, err)
	ch, err := conn.Channel()
	require.NoError(t, err)
	return conn, ch
}
