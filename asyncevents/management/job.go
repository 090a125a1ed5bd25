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

func (h *handler) jobStatus(ctx context.Context, job retry.Job) (jobStatus, error) {
	eta, err := h.jobs.ETA(ctx, job)
	if err != nil {
		return jobStatus{}, err
	}
	status := jobStatus{Job: job, Remaining: job.Remaining(), ETA: eta.UTC()}
	status.StartedAt, status.EndedAt = job.StartedAt.UTC(), job.EndedAt.UTC()
	status.NextBatchAt = job.NextBatchAt.UTC()
	return status, nil
}

func getJob(c *call) (answer, error) {
	job, err := c.jobs.Job(c.r.Context(), c.queue)
	if err != nil {
		return nil, err
	}
	return c.job(http.StatusOK, job)
}

func startJob(c *call) (answer, error) {
	if c.isAPI() {
		if _, err := c.object(); err != nil {
			return nil, err
		}
	}
	job, err := c.jobs.Start(c.r.Context(), c.queue, c.row.Actor)
	if err != nil {
		return nil, err
	}
	c.row.Target, c.row.Count = job.ID, job.Total
	return c.job(http.StatusAccepted, job)
}

func stopJob(c *call) (answer, error) {
	job, err := c.jobs.Stop(c.r.Context(), c.queue)
	if err != nil {
		return nil, err
	}
	c.row.Target, c.row.Count = job.ID, job.Moved
	return c.job(http.StatusAccepted, job)
}

func (c *call) job(status int, job retry.Job) (answer, error) {
	view, err := c.jobStatus(c.r.Context(), job)
	return jsonAnswer{status, view}, err
}
