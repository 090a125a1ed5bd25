package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/internal/soak"
	"github.com/redrive-go/redrive/internal/testserver"
)

// A broker fails, and the program is told to take events directly or into an outbox. The cases follow one another on one broker, since
// it takes long to start.
func TestBrokerFaults(t *testing.T) {
	t.Parallel()
	broker := testserver.PrivateRabbitMQ(t)
	for name, c := range map[string]struct {
		flags     []string
		meanwhile int // the answer to an event while there is no broker
	}{
		"direct": {nil, http.StatusServiceUnavailable},
		"outbox": {[]string{"-outbox"}, http.StatusAccepted},
	} {
		flags := func(t *testing.T, of string) []string {
			return brokerFlags(t, broker.DSN(), append(c.flags, "-queue-prefix", name+"-"+of+"-")...)
		}
		require.True(t, t.Run(name+"/away at start", func(t *testing.T) {
			awayAtStart(t, broker, c.meanwhile, flags(t, "away")...)
		}))
		require.True(t, t.Run(name+"/killed under load", func(t *testing.T) {
			brokerKilledUnderLoad(t, broker, c.meanwhile, flags(t, "killed"))
		}))
	}
}

// A broker that is killed loses nothing. Meanwhile intake answers in time, and says when to come again if it takes nothing.
func brokerKilledUnderLoad(t *testing.T, broker *testserver.Server, meanwhile int, flags []string) {
	kills := soak.Long(1, 10)
	r := launchTrial(t, 1, flags, "-lease", "10s")
	doubled, _ := r.run(t, soak.Long(1_000, 10_000), kills, func() { restart(t, broker) })
	assert.LessOrEqual(t, doubled, kills*crashConcurrency)
	for status := range r.answers {
		assert.Contains(t, []int{http.StatusAccepted, meanwhile}, status)
	}
	assert.Zero(t, r.endless, "answers without Retry-After")
	assert.Less(t, r.longest, 5*time.Second)
}

// restart kills a broker and starts it again, and sees to it that its queues survive: RabbitMQ 3.10 notes which quorum queues it has
// some seconds late, and one of those that it finds again may stay without a leader. Nobody can consume either, or publish there.
func restart(t *testing.T, broker *testserver.Server) {
	t.Helper()
	testserver.Rabbitmqctl(t, broker, "eval", "[dets:sync(Table) || Table <- dets:all()].")
	require.NoError(t, broker.Kill())
	require.NoError(t, broker.Start(t.Context()))
	testserver.Rabbitmqctl(t, broker, "eval", "[catch ra:trigger_election(amqqueue:get_pid(Q)) || Q <- rabbit_amqqueue:list()].")
}
