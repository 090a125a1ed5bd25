package management

import (
	"context"
	"net/http"
	"time"

	"github.com/redrive-go/redrive/retry"
)

var jobRoutes = routes{
	{method: http.MethodPost, pattern: "queues/{queue}/retry-job", action: ActionRetry, audit: "retry_job_start",
		serve: startJob, back: "queues/{queue}", done: flashJobStarted},
	{method: http.MethodPost, pattern: "queues/{queue}/retry-job/stop", action: ActionRetry, audit: "retry_job_stop",
		serve: stopJob, back: "queues/{queue}", done: flashJobStopping},

	{method: http.MethodGet, pattern: "api/queues/{queue}/retry-job", action: ActionView, serve: getJob},
	{method: http.MethodPost, pattern: "api/queues/{queue}/retry-job", action: ActionRetry, audit: "retry_job_start",
		serve: startJob},
	{method: http.MethodDelete, pattern: "api/queues/{queue}/retry-job", action: ActionRetry, audit: "retry_job_stop",
		serve: stopJob},
}

// jobStatus is how a retry job stands.
type jobStatus struct {
	retry.Job
	Remaining int64     `json:"remaining"`
	ETA       time.Time `json:"eta,omitzero"`
}

// Ended is whether the job does nothing any more.
func (s jobStatus) Ended() bool { return s.State.Ended() }

// jobStatus goes without an estimate where none can be made: by then a job may have been started, and that has to be
// said.
func (h *handler) jobStatus(ctx context.Context, job retry.Job) jobStatus {
	eta, err := h.jobs.ETA(ctx, job)
	if err != nil {
		h.cfg.Logger.WarnContext(ctx, "management: end of retry job unknown", "job", job.ID, "error", err)
	}
	status := jobStatus{Job: job, Remaining: job.Remaining(), ETA: eta.UTC()}
	status.StartedAt, status.EndedAt = job.StartedAt.UTC(), job.EndedAt.UTC()
	status.NextBatchAt = job.NextBatchAt.UTC()
	return status
}

func getJob(c *call) (answer, error) {
	job, err := c.jobs.Job(c.r.Context(), c.queue)
	if err != nil {
		return nil, err
	}
	return jsonAnswer{http.StatusOK, c.jobStatus(c.r.Context(), job)}, nil
}

func startJob(c *call) (answer, error) {
	job, err := c.jobs.Start(c.r.Context(), c.queue, c.row.Actor)
	if err != nil {
		return nil, err
	}
	c.row.Target, c.row.Count = job.ID, job.Total
	return jsonAnswer{http.StatusAccepted, c.jobStatus(c.r.Context(), job)}, nil
}

func stopJob(c *call) (answer, error) {
	job, err := c.jobs.Stop(c.r.Context(), c.queue)
	if err != nil {
		return nil, err
	}
	c.row.Target, c.row.Count = job.ID, job.Moved
	return jsonAnswer{http.StatusAccepted, c.jobStatus(c.r.Context(), job)}, nil
}
