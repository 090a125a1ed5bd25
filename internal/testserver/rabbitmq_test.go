package testserver

import (
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// channel is one on a connection of its own, which ends with the test.
func channel(t *testing.T, dsn string) *amqp.Channel {
	t.Helper()
	conn, err := amqp.Dial(dsn)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() }) // the server may be gone
	c, err := conn.Channel()
	require.NoError(t, err)
	return c
}

// declare makes a durable queue with a persistent message in it.
func declare(t *testing.T, dsn, kind, name string) int {
	t.Helper()
	c := channel(t, dsn)
	require.NoError(t, c.Confirm(false))
	_, err := c.QueueDeclare(name, true, false, false, false, amqp.Table{amqp.QueueTypeArg: kind})
	require.NoError(t, err)
	sent, err := c.PublishWithDeferredConfirmWithContext(t.Context(), "", name, true, false,
		amqp.Publishing{DeliveryMode: amqp.Persistent})
	require.NoError(t, err)
	accepted, err := sent.WaitContext(t.Context())
	require.NoError(t, err)
	assert.True(t, accepted)
	return 1
}

func keepRabbitMQ(t *testing.T, dsn string) int {
	return declare(t, dsn, amqp.QueueTypeClassic, "kept")
}

func countRabbitMQ(t *testing.T, dsn string) int {
	queue, err := channel(t, dsn).QueueDeclarePassive("kept", true, false, false, false, nil)
	require.NoError(t, err)
	return queue.Messages
}

func TestAMQP(t *testing.T) {
	t.Parallel()
	assert.NoError(t, pingRabbitMQ(t.Context(), AMQP(t)))
}

// Two servers go by one name, and do not know each other.
func TestPrivateRabbitMQ(t *testing.T) {
	t.Parallel()
	s, other := PrivateRabbitMQ(t), PrivateRabbitMQ(t)
	restarts(t, s, keepRabbitMQ, countRabbitMQ, s.Stop) // others kill theirs
	pauses(t, s)
	open := rabbitmqURL("guest", "guest", s.Address())
	require.ErrorIs(t, pingRabbitMQ(t.Context(), open), amqp.ErrCredentials, "nobody comes in without a password")

	declare(t, s.DSN(), amqp.QueueTypeQuorum, "mine")
	assert.ElementsMatch(t, []string{"kept\tclassic", "mine\tquorum"},
		strings.Split(strings.TrimSpace(Rabbitmqctl(t, s, "list_queues", "name", "type")), "\n"))
	assert.Empty(t, Rabbitmqctl(t, other, "list_queues"))
	assert.Equal(t, "[]\n", Rabbitmqctl(t, s, "eval", "nodes()."))

	blocked := make(chan amqp.Blocking, 1)
	conn, err := amqp.Dial(s.DSN())
	require.NoError(t, err)
	defer func() { assert.NoError(t, conn.Close()) }()
	conn.NotifyBlocked(blocked)
	Rabbitmqctl(t, s, "set_vm_memory_high_watermark", "0.000001")
	c, err := conn.Channel()
	require.NoError(t, err)
	require.NoError(t, c.PublishWithContext(t.Context(), "", "mine", false, false, amqp.Publishing{}))
	assert.True(t, (<-blocked).Active)
	Rabbitmqctl(t, s, "set_vm_memory_high_watermark", "0.4")
	assert.False(t, (<-blocked).Active)

	_, err = s.site.ask(client(t, rabbitmqctlProgram, "no-such-command"))
	assert.ErrorContains(t, err, "no-such-command")
}
