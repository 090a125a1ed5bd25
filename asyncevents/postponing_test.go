package asyncevents

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"

	"github.com/redrive-go/redrive/asyncevents/callback"
	"github.com/redrive-go/redrive/retry"
)

// deliver is the next delivery of a message.
func deliver(msg *message.Message, attempt int) retry.Delivery {
	msg.Metadata.Set(retry.MetadataAttempt, fmt.Sprint(attempt))
	return retry.DeliveryOf(msg)
}

func TestPostponedCountsNoAttempt(t *testing.T) {
	t.Parallel()
	msg, now := message.NewMessage("c1", nil), time.Now()
	busy := fmt.Errorf("send: %w", &callback.BusyError{After: time.Second})
	for n := 1; n <= 1000; n++ {
		d := deliver(msg, n)
		assert.Equal(t, 1, d.Attempt)
		wait, yes := postponed(msg, d, now.Add(time.Duration(n)*time.Hour), busy)
		assert.True(t, yes, "waiting for one's turn has no end of its own")
		assert.Equal(t, time.Second, wait)
	}
	d := deliver(msg, 1001)
	_, yes := postponed(msg, d, now, errors.New("boom"))
	assert.False(t, yes)
	assert.Equal(t, 2, deliver(msg, 1002).Attempt)
}

func TestPostponedForASparedHostEnds(t *testing.T) {
	t.Parallel()
	msg, now := message.NewMessage("c1", nil), time.Now()
	spared := &callback.BusyError{After: time.Minute, Failures: 10}
	_, yes := postponed(msg, deliver(msg, 1), now, spared)
	assert.True(t, yes)
	_, yes = postponed(msg, deliver(msg, 2), now.Add(sparedFor-1), spared)
	assert.True(t, yes)
	_, yes = postponed(msg, deliver(msg, 3), now.Add(sparedFor), spared)
	assert.False(t, yes, "that is a failed attempt")
	_, yes = postponed(msg, deliver(msg, 4), now.Add(sparedFor), spared)
	assert.True(t, yes, "the next one may wait as long")
	_, yes = postponed(msg, deliver(msg, 5), now.Add(sparedFor), &callback.BusyError{After: time.Second})
	assert.True(t, yes)
	_, yes = postponed(msg, deliver(msg, 6), now.Add(2*sparedFor-1), spared)
	assert.True(t, yes, "time in another line does not count")
}
