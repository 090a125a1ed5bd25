package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"time"
)

var jobCommands = []command{
	{
		name: "job start", args: "QUEUE", least: 1, most: 1, about: "Start to move entries back, in batches",
		details: "It moves what is there now and matches, or everything; what fails again is not picked up again. The service\n" +
			"does the work: this command ends at once, and redrive job watch follows the job.",
		prepare: func(f *flag.FlagSet) action {
			var which filter
			which.register(f)
			dry := f.Bool("dry-run", false, "only say how many entries would move")
			var how caution
			how.register(f)
			return func(ctx context.Context, s *session, args []string) error {
				return s.startJob(ctx, args[0], &which, &how, *dry)
			}
		},
	},
	jobCommand("stop", "Stop the running retry job; what it moved stays moved", "", http.MethodDelete, nil),
	jobCommand("pause", "Have the running retry job wait", "It goes on with redrive job resume.", http.MethodPost, []string{"pause"}),
	jobCommand("resume", "Have a paused retry job go on", "", http.MethodPost, []string{"resume"}),
	jobCommand("show", "Show the running or last retry job", "", http.MethodGet, nil),
	jobWatchCommand,
}

// jobCommand is a command that is one call, which is answered with the job.
func jobCommand(verb, about, details, method string, below []string) command {
	act := func(ctx context.Context, s *session, args []string) error {
		raw, err := s.client.call(ctx, jobRequest(method, args[0], below...))
		if err != nil {
			return err
		}
		return s.showJob(args[0], raw)
	}
	return command{name: "job " + verb, args: "QUEUE", least: 1, most: 1, about: about, details: details, prepare: bare(act)}
}

// jobRequest is a call about the retry job of a queue.
func jobRequest(method, queue string, below ...string) *request {
	return &request{method: method, path: append([]string{"queues", queue, "retry-job"}, below...)}
}

// job is a redrive of a DLQ in batches.
type job struct {
	ID          string    `json:"id"`
	State       string    `json:"state"`
	StartedAt   time.Time `json:"started_at"`
	StartedBy   string    `json:"started_by"`
	Total       int64     `json:"total"`
	Moved       int64     `json:"moved"`
	Remaining   int64     `json:"remaining"`
	Batches     int64     `json:"batches"`
	NextBatchAt time.Time `json:"next_batch_at"`
	ETA         time.Time `json:"eta"`
	EndedAt     time.Time `json:"ended_at"`
	Outcome     struct {
		Processed int64 `json:"processed"`
		Refused   int64 `json:"refused"`
		CameBack  int64 `json:"came_back"`
		Waiting   int64 `json:"waiting"`
	} `json:"outcome"`
	Error string `json:"error"`
}

// States of a job. In the last three it does nothing any more.
const (
	stateCoolingDown = "cooling_down"
	stateCompleted   = "completed"
	stateStopped     = "stopped"
	stateFailed      = "failed"
)

// ended is whether the job does nothing any more.
func (j *job) ended() bool {
	return j.State == stateCompleted || j.State == stateStopped || j.State == stateFailed
}

// line says how the job stands, most important first: a terminal may be narrow.
func (j *job) line(now time.Time) string {
	line := fmt.Sprintf("%s %d/%d moved, %d remaining, %s", bar(j.Moved, j.Moved+j.Remaining), j.Moved, j.Total, j.Remaining, j.State)
	if rest := j.ETA.Sub(now); !j.ended() && rest > 0 {
		line += ", ETA " + span(rest)
	}
	if wait := j.NextBatchAt.Sub(now); j.State == stateCoolingDown && wait > 0 {
		line += ", next batch in " + span(wait)
	}
	return line
}

// became says what became of the moved entries.
func (j *job) became() string {
	o := &j.Outcome
	return fmt.Sprintf("%d processed, %d refused, %d came back, %d waiting", o.Processed, o.Refused, o.CameBack, o.Waiting)
}

// outcome is nil, or the failure of a job that did not move everything.
func (j *job) outcome(queue string) error {
	f := &failure{code: exitFailed, advice: "redrive job start " + queue + " moves the rest"}
	switch j.State {
	case stateStopped:
		f.what = fmt.Sprintf("the retry job was stopped: %d of %d moved", j.Moved, j.Total)
		return f
	case stateFailed:
		f.what = fmt.Sprintf("the retry job failed: %d of %d moved: %s", j.Moved, j.Total, j.Error)
		return f
	}
	return nil
}

// caution is what has a job end by itself before it has done harm.
type caution struct {
	canary, percent int
	stopOver        float64
	single          bool
}

func (c *caution) register(f *flag.FlagSet) {
	f.IntVar(&c.canary, "canary", 0, "move so many entries first, and go on only if enough of them are processed")
	f.IntVar(&c.percent, "canary-percent", defaultCanaryPercent, "how many percent of the canary are enough")
	f.BoolVar(&c.single, "single-attempt", false, "give what is moved one attempt, instead of as many as usual")
	f.Float64Var(&c.stopOver, "stop-over", 0, "stop when more than so many percent of what was moved come back")
}

// defaultCanaryPercent is how much of a canary has to be processed unless something else is said.
const defaultCanaryPercent = 90

// addTo puts what was chosen into the fields of a call.
func (c *caution) addTo(fields map[string]any) {
	if c.canary != 0 {
		fields["canary"] = map[string]int{"entries": c.canary, "min_processed_percent": c.percent}
	}
	if c.single {
		fields["single_attempt"] = true
	}
	if c.stopOver != 0 {
		fields["stop_over_percent"] = c.stopOver
	}
}

func (s *session) startJob(ctx context.Context, queue string, which *filter, how *caution, dry bool) error {
	if err := which.check("job start"); err != nil {
		return err
	}
	r := jobRequest(http.MethodPost, queue)
	fields := which.fields()
	if how.addTo(fields); dry {
		fields["dry_run"] = true
	}
	if len(fields) > 0 {
		r.fields = fields
	}
	raw, err := s.client.call(ctx, r)
	if err != nil {
		return err
	}
	if dry {
		return s.showDryRun(queue, which, raw)
	}
	return s.showJob(queue, raw)
}

func (s *session) showDryRun(queue string, which *filter, raw json.RawMessage) error {
	answer, err := decode[dryRun](raw)
	switch {
	case err != nil:
		return err
	case !answer.DryRun:
		return &failure{code: exitFailed, what: "the server does not say that it was a dry run; it may have started the job",
			advice: "redrive job show " + queue}
	}
	return s.showCount(answer.Count, queue, which, "move back")
}

func (s *session) showJob(queue string, raw json.RawMessage) error {
	if s.json() {
		return s.printJSON(raw)
	}
	j, err := decode[job](raw)
	if err != nil {
		return err
	}
	s.tell("%s: %s", queue, j.line(time.Now()))
	s.table(nil, [][]string{
		{"job", j.ID},
		{"started", stamp(j.StartedAt) + " by " + j.StartedBy},
		{"batches", number(j.Batches)},
		{"outcome", j.became()},
		{"ended", stamp(j.EndedAt)},
	})
	if j.Error != "" {
		s.tell("error: %s", j.Error)
	}
	return nil
}
