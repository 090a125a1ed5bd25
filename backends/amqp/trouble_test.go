package amqp

import (
	"fmt"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/assert"
)

// Only what somebody has to put right ends a start: a broker in trouble is waited for.
func TestWhatEndsAStart(t *testing.T) {
	t.Parallel()
	for code, final := range map[int]bool{
		amqp.AccessRefused: true, amqp.NotAllowed: true,
		amqp.InternalError: false, amqp.ResourceError: false, amqp.ConnectionForced: false, amqp.ChannelError: false,
	} {
		assert.Equal(t, final, isFinal(fmt.Errorf("declare: %w", explain(&amqp.Error{Code: code}))), code)
	}
	assert.True(t, isFinal(fmt.Errorf("declare: %w", ErrMismatch)))
	assert.False(t, isFinal(ErrDisconnected))
}
