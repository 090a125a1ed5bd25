package management

import (
	"context"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/export"
	"github.com/redrive-go/redrive/retry"
)

// queueNames are the DLQs of a Service, in the order in which they are shown.
var queueNames = asyncevents.Queues()

// core is the pieces of a Service that the management shows and works on.
type core struct {
	dlq     *dlq.Manager
	jobs    *retry.Runner
	exports *export.Exporter
	audit   asyncevents.AuditLog
	// event is what is known of an event.
	event func(ctx context.Context, correlationID string) (asyncevents.Record, error)
	// erase takes entries out of a DLQ, for a time or for good.
	erase func(ctx context.Context, queue string, filter dlq.Filter, confirm int64) (int64, error)
	// topic is where the messages of a queue are published.
	topic func(queue string) string
	// backlog is how many messages wait in a main queue; false where the transport cannot tell.
	backlog func(ctx context.Context, queue string) (asyncevents.Backlog, bool, error)
	// traffic is what went through a queue since a time, by the minute.
	traffic func(ctx context.Context, queue string, from time.Time) ([]asyncevents.Traffic, error)
	// alarms are those that hold.
	alarms func() []asyncevents.Alarm
}

func newCore(service *asyncevents.Service) *core {
	return &core{
		dlq:     service.DeadLetters(),
		jobs:    service.RetryJobs(),
		exports: service.Exports(),
		audit:   service.Audit(),
		event:   service.Status,
		erase:   service.EraseDeadLetters,
		topic:   service.Topic,
		backlog: service.Backlog,
		traffic: service.Traffic,
		alarms:  service.Alarms,
	}
}
