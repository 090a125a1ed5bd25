package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// job is a redrive of a DLQ in batches.
type job struct {
	ID          string          `json:"id"`
	State       string          `json:"state"`
	StartedAt   time.Time       `json:"started_at"`
	StartedBy   string          `json:"started_by"`
	Total       int64           `json:"total"`
	Moved       int64           `json:"moved"`
	Remaining   int64           `json:"remaining"`
	Batches     int64           `json:"batches"`
	NextBatchAt time.Time       `json:"next_batch_at"`
	ETA         time.Time       `json:"eta"`
	EndedAt     time.Time       `json:"ended_at"`
	Outcome     outcome         `json:"outcome"`
	Filter      json.RawMessage `json:"filter"`
	Error       string          `json:"error"`
	caution
}

// outcome is what became of the moved entries.
type outcome struct {
	Processed int64 `json:"processed"`
	Refused   int64 `json:"refused"`
	CameBack  int64 `json:"came_back"`
	Waiting   int64 `json:"waiting"`
}

func (o *outcome) String() string {
	return fmt.Sprintf("%d processed, %d refused, %d came back, %d waiting", o.Processed, o.Refused, o.CameBack, o.Waiting)
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
	line := fmt.Sprintf("%s %d/%d moved, %s: %s, %d remaining", bar(j.Moved, j.Moved+j.Remaining), j.Moved, j.Total, j.State,
		&j.Outcome, j.Remaining)
	if rest := j.ETA.Sub(now); !j.ended() && rest > 0 {
		line += ", ETA " + span(rest)
	}
	if wait := j.NextBatchAt.Sub(now); j.State == stateCoolingDown && wait > 0 {
		line += ", next batch in " + span(wait)
	}
	return line
}

// verdict is nil, or the failure of a job that did not move everything.
func (j *job) verdict(queue string) error {
	switch j.State {
	case stateStopped:
		return &failure{code: exitFailed, what: fmt.Sprintf("the retry job was stopped: %d of %d moved", j.Moved, j.Total),
			advice: j.again(queue)}
	case stateFailed:
		return &failure{code: exitFailed, what: fmt.Sprintf("the retry job failed: %d of %d moved: %s", j.Moved, j.Total, j.Error),
			advice: j.lookInto(queue)}
	}
	return nil
}

// again says how to go on with a job that was stopped. A command that would move anything else than the job had left, or
// with less caution, is none.
func (j *job) again(queue string) string {
	const otherwise = " -output json says what it was to move, as far as you may see it; that cannot be put into a command here"
	which, err := readFilter(j.Filter)
	if err != nil || which.concealed() {
		return commandLine("redrive", "job", "show", queue) + otherwise
	}
	words := append([]string{"redrive", "job", "start", queue}, which.before(j.StartedAt).flags()...)
	line := commandLine(append(append(words, j.flags()...), "-dry-run")...)
	if plain(line) != line {
		return commandLine("redrive", "job", "show", queue) + otherwise
	}
	return line + " counts what is left of what it was to move; without -dry-run, that is moved in the same way"
}

// lookInto says where the cause of a failed job may be seen.
func (j *job) lookInto(queue string) string {
	if j.Outcome.CameBack > 0 {
		return j.comeBack(queue)
	}
	return commandLine("redrive", "job", "show", queue) + " shows how it was run; the service's log says more"
}

// comeBack says where to see what came back.
func (j *job) comeBack(queue string) string {
	return commandLine("redrive", "list", queue, "-job", j.ID) + " shows what came back, and why; mend that before you move more"
}

// which says what the job is to move, as flags.
func (j *job) which() string {
	which, err := readFilter(j.Filter)
	switch {
	case err != nil:
		return string(j.Filter)
	case which.empty():
		return "everything"
	}
	return commandLine(which.flags()...)
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
	s.facts(slices.Concat([][]string{{"job", j.ID}, {"moves", j.which()}}, j.rows(), [][]string{
		{"started", stamp(j.StartedAt) + " by " + j.StartedBy},
		{"batches", number(j.Batches)},
		{"ended", stamp(j.EndedAt)},
	}))
	if j.Error != "" {
		s.tell("error: %s", j.Error)
	}
	return nil
}
