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
			kills := soak.Long(2, 10)
			r := launchTrial(t, 1, brokerFlags(t, broker.DSN(), c.flags...), "-lease", "10s")
			doubled, _ := r.run(t, soak.Long(1_000, 10_000), kills, func() { restart(t, broker) })
			assert.LessOrEqual(t, doubled, kills*crashConcurrency)
			for status := range r.answers {
				assert.Contains(t, c.statuses, status)
			}
			assert.Zero(t, r.endless, "answers without Retry-After")
			assert.Less(t, r.longest, 5*time.Second)
		})
	}
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
