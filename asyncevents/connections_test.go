package asyncevents_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/redrive-go/redrive/asyncevents"
)

// Everything that 500 messages in flight need fits into ten connections of the host's pool, of which some are idle: a processor
// holds none while it works.
func TestTenConnections(t *testing.T) {
	onEachServer(t, func(t *testing.T, d *database) {
		const inFlight, events, connections = 500, 2000, 10
		b, opened := d.pooled(t, connections)
		var started atomic.Int64
		full := make(chan struct{})
		s, _ := run(t, b, func(context.Context, asyncevents.Event) (any, error) {
			if started.Add(1) == inFlight {
				close(full)
			}
			<-full // nobody ends before all of them are at work at once
			return nil, nil
		}, func(c *asyncevents.Config) { c.Concurrency = inFlight })
		acceptMany(t, s, "e", events, bare)
		awaitIdle(t, s, asyncevents.EventsQueue)
		assert.EqualValues(t, events, started.Load(), "none came twice")
		assert.LessOrEqual(t, opened(), connections)
	})
}
