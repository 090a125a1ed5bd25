package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/internal/soak"
	"github.com/redrive-go/redrive/internal/testserver"
)

// A broker fails, and the program has an outbox or not. The cases follow one another on one broker, since it takes long to start; in
// the short form each of the faults meets one of the two.
func TestBrokerFaults(t *testing.T) {
	t.Parallel()
	broker := testserver.PrivateRabbitMQ(t)
	for n, outbox := range []bool{false, true} {
		meanwhile, flags := http.StatusServiceUnavailable, []string{}
		if outbox {
			meanwhile, flags = http.StatusAccepted, []string{"-outbox"}
		}
		for m, fault := range []struct {
			name string
			test func(t *testing.T, broker *testserver.Server, meanwhile int, flags ...string)
		}{{"away at start", awayAtStart}, {"killed under load", brokerKilledUnderLoad}} {
			if n != m && !soak.On() {
				continue
			}
			require.True(t, t.Run(fmt.Sprintf("%s, outbox=%v", fault.name, outbox), func(t *testing.T) {
				own := append(flags, "-queue-prefix", fmt.Sprintf("%d%d-", n, m))
				fault.test(t, broker, meanwhile, brokerFlags(t, broker.DSN(), own...)...)
			}))
		}
	}
}

// brokerKilledUnderLoad has the broker killed, which loses nothing. Until it is back, events are answered in time with a status, which
// says when to come again if it refuses them.
func brokerKilledUnderLoad(t *testing.T, broker *testserver.Server, meanwhile int, flags ...string) {
	kills := soak.Long(1, 10)
	r := launchTrial(t, 1, flags, "-lease", "10s")
	doubled, _ := r.run(t, soak.Long(400, 10_000), kills, func() { restart(t, broker) })
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
