package main

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

var queuesCommand = command{
	name: "queues", about: "Show how deep each DLQ is, and what waits in front of it",
	prepare: bare(showQueues),
}

// queueStatus is how a DLQ and its main queue stand.
type queueStatus struct {
	Queue    string    `json:"queue"`
	Depth    int64     `json:"depth"`
	OldestAt time.Time `json:"oldest_at"`
	Backlog  *struct {
		Ready    int64 `json:"ready"`
		Delayed  int64 `json:"delayed"`
		InFlight int64 `json:"in_flight"`
	} `json:"backlog"`
	RetryJob *job `json:"retry_job"`
}

func showQueues(ctx context.Context, s *session, _ []string) error {
	raw, err := s.client.call(ctx, &request{method: http.MethodGet, path: []string{"queues"}})
	if err != nil {
		return err
	}
	list := itemList[queueStatus]{
		field:  "queues",
		header: []string{"QUEUE", "DEAD", "OLDEST", "READY", "DELAYED", "IN FLIGHT", "RETRY JOB"}, row: (*queueStatus).row,
	}
	_, err = list.show(s, raw)
	return err
}

func (q *queueStatus) row() []string {
	ready, delayed, inFlight, running := "-", "-", "-", "-"
	if q.Backlog != nil {
		ready, delayed, inFlight = number(q.Backlog.Ready), number(q.Backlog.Delayed), number(q.Backlog.InFlight)
	}
	if q.RetryJob != nil {
		running = fmt.Sprintf("%s, %d of %d moved", q.RetryJob.State, q.RetryJob.Moved, q.RetryJob.Total)
	}
	return []string{q.Queue, number(q.Depth), stamp(q.OldestAt), ready, delayed, inFlight, running}
}
