package management

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/redrive-go/redrive/retry"
)

var jobRoutes = routes{
	{method: http.MethodGet, pattern: "queues/{queue}/jobs", action: ActionView, serve: jobsPage},
	{method: http.MethodPost, pattern: "queues/{queue}/retry-job", action: ActionRetry, audit: "retry_job_start",
		serve: startJob, back: "queues/{queue}", done: flashJobStarted},
	{method: http.MethodPost, pattern: "queues/{queue}/retry-job/stop", action: ActionRetry, audit: "retry_job_stop",
		serve: stopJob, back: "queues/{queue}", done: flashJobStopping},

	{method: http.MethodPost, pattern: "queues/{queue}/retry-job/pause", action: ActionRetry, audit: "retry_job_pause",
		serve: pauseJob, back: "queues/{queue}", done: flashJobPaused},
	{method: http.MethodPost, pattern: "queues/{queue}/retry-job/resume", action: ActionRetry, audit: "retry_job_resume",
		serve: resumeJob, back: "queues/{queue}", done: flashJobResumed},

	{method: http.MethodGet, pattern: "api/queues/{queue}/retry-job", action: ActionView, serve: getJob},
	{method: http.MethodGet, pattern: "api/queues/{queue}/retry-jobs", action: ActionView,
		params: []string{paramLimit, paramCursor}, serve: listJobs},
	{method: http.MethodPost, pattern: "api/queues/{queue}/retry-job", action: ActionRetry, audit: "retry_job_start",
		fields: slices.Concat([]string{fieldDryRun, fieldSingle, fieldCanary, fieldStopOver}, filterFields), serve: startJob},
	{method: http.MethodPost, pattern: "api/queues/{queue}/retry-job/pause", action: ActionRetry, audit: "retry_job_pause",
		serve: pauseJob},
	{method: http.MethodPost, pattern: "api/queues/{queue}/retry-job/resume", action: ActionRetry, audit: "retry_job_resume",
		serve: resumeJob},
	{method: http.MethodDelete, pattern: "api/queues/{queue}/retry-job", action: ActionRetry, audit: "retry_job_stop",
		serve: stopJob},
}

// Fields of the body that starts a retry job, beside those of a filter.
const (
	fieldDryRun   = "dry_run"
	fieldCanary   = "canary"
	fieldStopOver = "stop_over_percent"
	fieldSingle   = "single_attempt"

	// fieldCanaryPercent is the canary's second number in the form of a page.
	fieldCanaryPercent = "canary_percent"
)

// defaultCanaryPercent is how much of a canary has to be processed when nobody says: all of it. Nothing would let every job go on.
const defaultCanaryPercent = 100

// jobStatus is how a retry job stands.
type jobStatus struct {
	retry.Job
	// Outcome hides that of the job: it says also how many of the moved wait.
	Outcome   outcomeStatus   `json:"outcome"`
	Filter    json.RawMessage `json:"filter,omitempty"`
	Canary    *retry.Canary   `json:"canary,omitempty"`
	StopOver  float64         `json:"stop_over_percent,omitempty"`
	Single    bool            `json:"single_attempt,omitempty"`
	Remaining int64           `json:"remaining"`
	ETA       time.Time       `json:"eta,omitzero"`
}

// outcomeStatus is what became of the entries that a job moved.
type outcomeStatus struct {
	retry.Outcome
	Waiting int64 `json:"waiting"`
	// CameBackURL leads from the job's own URL to the entries that came back.
	CameBackURL string `json:"came_back_url,omitempty"`
}

func becameOf(job *retry.Job) outcomeStatus {
	o := outcomeStatus{Outcome: job.Outcome, Waiting: max(0, job.Moved-job.Outcome.Known())}
	if o.CameBack > 0 {
		o.CameBackURL = "entries?" + url.Values{filterJob: {job.ID}}.Encode()
	}
	return o
}

// jobList is retry jobs, the latest first.
type jobList struct {
	Jobs       []jobStatus `json:"jobs"`
	NextCursor string      `json:"next_cursor,omitempty"`
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
	status := jobStatus{
		Job: job, Outcome: becameOf(&job), StopOver: job.Options.StopOverPercent, Single: job.Options.SingleAttempt,
		Filter: json.RawMessage(job.Options.Criteria), Remaining: job.Remaining(), ETA: eta.UTC(),
	}
	if job.Options.Canary.Entries > 0 {
		status.Canary = &job.Options.Canary
	}
	status.StartedAt, status.EndedAt = job.StartedAt.UTC(), job.EndedAt.UTC()
	status.NextBatchAt = job.NextBatchAt.UTC()
	return status
}

func getJob(c *call) (answer, error) {
	job, err := c.jobs.Job(c.r.Context(), c.queue)
	if err != nil {
		return nil, err
	}
	return jsonAnswer{http.StatusOK, c.shownJob(job)}, nil
}

// jobsView is one page of a DLQ's retry jobs.
type jobsView struct {
	Queue string
	jobList
}

func jobsPage(c *call) (answer, error) {
	list, err := c.jobList()
	if err != nil {
		return nil, err
	}
	return c.page(http.StatusOK, "jobs", "Retry jobs of the "+queueTitle(c.queue), jobsView{c.queue, list}), nil
}

func listJobs(c *call) (answer, error) {
	list, err := c.jobList()
	return jsonAnswer{http.StatusOK, list}, err
}

// jobList goes through the history; its cursor is the id of the last job of the page before.
func (c *call) jobList() (jobList, error) {
	limit, err := c.limit()
	if err != nil {
		return jobList{}, err
	}
	limit = min(limit, retry.MaxJobs-1)
	jobs, err := c.jobs.Jobs(c.r.Context(), c.queue, c.r.URL.Query().Get(paramCursor), limit+1)
	if err != nil {
		return jobList{}, err
	}
	list := jobList{Jobs: []jobStatus{}}
	if len(jobs) > limit {
		jobs = jobs[:limit]
		list.NextCursor = jobs[limit-1].ID
	}
	for _, job := range jobs {
		list.Jobs = append(list.Jobs, c.shownJob(job))
	}
	return list, nil
}

// dryRunJSON is how many entries a call would have meant.
type dryRunJSON struct {
	DryRun bool  `json:"dry_run"`
	Count  int64 `json:"count"`
	UpTo   int64 `json:"up_to,omitzero,string"`
}

func startJob(c *call) (answer, error) {
	_, dry, err := c.asked()
	if err != nil {
		return nil, err
	}
	options, err := c.jobOptions()
	if err != nil {
		return nil, err
	}
	if dry {
		return c.dryRun(options.Criteria)
	}
	job, err := c.jobs.Start(c.r.Context(), c.queue, c.row.Actor, options)
	if err != nil {
		return nil, err
	}
	c.row.Target, c.row.Count = job.ID, job.Total
	return jsonAnswer{http.StatusAccepted, c.shownJob(job)}, nil
}

// isDryRun is whether the call only asks what it would do: a field says so, or a parameter of those that know no fields.
func (c *call) isDryRun() (dry bool, err error) {
	raw, ok := c.fields[fieldDryRun]
	if slices.Contains(c.route.params, fieldDryRun) {
		raw, ok = jsontext.Value(c.r.URL.Query().Get(fieldDryRun)), c.r.URL.Query().Has(fieldDryRun)
	}
	if ok && json.Unmarshal(raw, &dry) != nil {
		return false, newMalformedProblem("'dry_run' must be true or false")
	}
	return dry, nil
}

// noteDryRun has the audit log say that nothing was done, and on how many entries it would have been.
func (c *call) noteDryRun(count int64) { c.row.Count, c.row.Detail = count, "dry run" }

func (c *call) dryRun(criteria string) (answer, error) {
	criteria, err := c.jobs.Movable(c.r.Context(), criteria)
	if err != nil {
		return nil, err
	}
	count, upTo, err := c.dlq.Bound(c.r.Context(), c.queue, criteria)
	return c.dryRunOf(count, upTo, err)
}

// dryRunOf answers a dry run with how many entries are meant, and the id that bounds them.
func (c *call) dryRunOf(count, upTo int64, err error) (answer, error) {
	c.noteDryRun(count)
	return jsonAnswer{http.StatusOK, dryRunJSON{true, count, upTo}}, err
}

// jobForm is the fields of a job as a page's form fills them in, in which empty ones are none.
func (c *call) jobForm() object {
	form, fields := c.r.PostForm, object{}
	if entries := form.Get(fieldCanary); entries != "" {
		canary := `{"entries":` + entries
		if percent := form.Get(fieldCanaryPercent); percent != "" {
			canary += `,"min_processed_percent":` + percent
		}
		fields[fieldCanary] = jsontext.Value(canary + "}")
	}
	for _, name := range []string{fieldStopOver, fieldSingle} {
		if text := form.Get(name); text != "" {
			fields[name] = jsontext.Value(text)
		}
	}
	return fields
}

// jobOptions reads how a job is to be run, on what the filter means that was read before.
func (c *call) jobOptions() (o retry.Options, err error) {
	if !c.isAPI() {
		c.fields = c.jobForm()
	}
	o.Criteria = c.meant
	if _, ok := c.fields[fieldCanary]; ok {
		o.Canary.MinProcessedPercent = defaultCanaryPercent
	}
	for name, into := range map[string]any{
		fieldCanary: &o.Canary, fieldStopOver: &o.StopOverPercent, fieldSingle: &o.SingleAttempt,
	} {
		raw, ok := c.fields[name]
		if ok && jsonv2.Unmarshal(raw, into, jsonv2.RejectUnknownMembers(true)) != nil {
			return o, newMalformedProblem("Field '" + name + "' is not as described")
		}
	}
	if err := o.Validate(); err != nil {
		return o, fmt.Errorf("%w: %w", retry.ErrBadOptions, err)
	}
	return o, nil
}

func pauseJob(c *call) (answer, error) {
	return c.turned(c.jobs.Pause(c.r.Context(), c.queue))
}

func resumeJob(c *call) (answer, error) {
	return c.turned(c.jobs.Resume(c.r.Context(), c.queue))
}

func (c *call) turned(job retry.Job, err error) (answer, error) {
	if err != nil {
		return nil, err
	}
	c.row.Target, c.row.Count = job.ID, job.Moved
	return jsonAnswer{http.StatusOK, c.shownJob(job)}, nil
}

func stopJob(c *call) (answer, error) {
	job, err := c.jobs.Stop(c.r.Context(), c.queue)
	if err != nil {
		return nil, err
	}
	c.row.Target, c.row.Count = job.ID, job.Moved
	return jsonAnswer{http.StatusAccepted, c.shownJob(job)}, nil
}
