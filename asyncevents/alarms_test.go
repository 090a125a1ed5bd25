package asyncevents_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/memory"
	"github.com/redrive-go/redrive/retry"
)

// TestAlarms takes a DLQ beyond its limit. What comes beyond it is in the DLQ all the same.
func TestAlarms(t *testing.T) {
	t.Parallel()
	reader := sdkmetric.NewManualReader()
	heard := make(chan asyncevents.Alarm, 10)
	s, stop := run(t, memory.New(), func(context.Context, asyncevents.Event) (any, error) {
		return nil, retry.Permanent(context.DeadlineExceeded)
	}, func(c *asyncevents.Config) {
		c.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
		c.Alarms = &asyncevents.Alarms{
			MaxDepth: 2, Interval: time.Millisecond, Notify: func(_ context.Context, a asyncevents.Alarm) { heard <- a },
		}
	})
	acceptMany(t, s, "e", 5, bare)
	assert.True(t, (<-heard).Raised)
	awaitDead(t, s, asyncevents.EventsQueue, 5)
	points := collect(t, reader)
	assert.Equal(t, asyncevents.AlarmDepth, s.Alarms()[0].Kind)
	assert.InDelta(t, 1, points["redrive.dlq.alarm{events,depth}"], 0)
	assert.InDelta(t, 0, points["redrive.dlq.alarm{callbacks,depth}"], 0)
	assert.Contains(t, points, "redrive.dlq.alarm{callbacks,unknown}")
	assert.NotContains(t, points, "redrive.dlq.alarm{events,age}", "it has no limit")
	require.NoError(t, stop())
	assert.Empty(t, heard)
	assert.Empty(t, s.Alarms(), "nobody looks any more")
}
