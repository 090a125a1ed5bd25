package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/internal/testserver"
)

// A broker that is killed loses nothing. Meanwhile intake answers 503 in time and says when to come again; with an outbox it
// goes on.
func TestBrokerKilledUnderLoad(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		flags    []string
		statuses []int
	}{
		"direct": {nil, []int{http.StatusAccepted, http.StatusServiceUnavailable}},
		"outbox": {[]string{"-outbox"}, []int{http.StatusAccepted}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broker := testserver.PrivateRabbitMQ(t)
			kills := long(2, 10)
			r := launchTrial(t, 1, brokerFlags(t, broker.DSN(), c.flags...), "-lease", "30s")
			doubled, _ := r.run(t, long(1_000, 10_000), kills, func() {
				declareLast(t, broker.DSN())
				require.NoError(t, broker.Kill())
				require.NoError(t, broker.Start(t.Context()))
			})
			assert.LessOrEqual(t, doubled, kills*crashConcurrency)
			for status := range r.answers {
				assert.Contains(t, c.statuses, status)
			}
			assert.Zero(t, r.endless, "answers without Retry-After")
			assert.Less(t, r.longest, 5*time.Second)
		})
	}
}

// declareLast declares a queue that nobody uses. RabbitMQ 3.10 has nobody lead the quorum queue that was declared last before it was
// killed, until it is started once more.
func declareLast(t *testing.T, url string) {
	t.Helper()
	conn, err := amqp.Dial(url)
	require.NoError(t, err)
	channel, err := conn.Channel()
	require.NoError(t, err)
	_, err = channel.QueueDeclare(fmt.Sprintf("last-%x", rand.Uint64()), true, false, false, false,
		amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum})
	require.NoError(t, err)
	require.NoError(t, conn.Close())
}
