package asyncevents

import (
	"time"

	"github.com/redrive-go/redrive/retry"
)

// Milestone is something that happened to an event, or to its callback.
type Milestone struct {
	// At is when it happened, UTC.
	At time.Time `json:"at"`
	// Queue is EventsQueue for the event and CallbacksQueue for its callback.
	Queue string `json:"queue"`
	// What is what happened.
	What Happening `json:"what"`
	// Attempt is the number of the attempt that it came of, through all redrives; 0 where it came of none.
	Attempt int `json:"attempt,omitzero"`
	// Error is why an attempt failed, as retry.Attempt has it.
	Error string `json:"error,omitempty"`
	// ResponseStatus is the HTTP status of the answer to a callback that failed; 0 where there was none.
	ResponseStatus int `json:"response_status,omitzero"`
	// Job is the retry job that moved a message back; "" where a person did, or nobody knows yet: a redrive has it after its first
	// attempt.
	Job string `json:"job,omitempty"`
	// Omitted is how many attempts HappenedOmitted stands for.
	Omitted int `json:"omitted,omitzero"`
}

// Happening is what a Milestone is.
type Happening string

// The happenings of a timeline.
const (
	// HappenedAccepted is an event that intake took.
	HappenedAccepted Happening = "accepted"
	// HappenedFailed is an attempt that failed.
	HappenedFailed Happening = "attempt_failed"
	// HappenedOmitted is attempts that failed and are no longer remembered: of very many there are the first and the latest.
	HappenedOmitted Happening = "omitted"
	// HappenedDeadLettered is a message that entered its DLQ.
	HappenedDeadLettered Happening = "dead_lettered"
	// HappenedRedriven is one that was moved back from there.
	HappenedRedriven Happening = "redriven"
	// HappenedProcessed is an event that the processor was done with.
	HappenedProcessed Happening = "processed"
	// HappenedRefused is one that it refused for a business reason.
	HappenedRefused Happening = "refused"
	// HappenedDelivered is a callback that its receiver took.
	HappenedDelivered Happening = "delivered"
)

// Timeline is what happened to an event and to its callback, oldest first, as far as the record knows. What followed from one another
// stays in that order, also where the clocks of the machines say otherwise.
func (r *Record) Timeline() []Milestone {
	var line []Milestone
	if !r.CreatedAt.IsZero() {
		line = append(line, Milestone{At: r.CreatedAt.UTC(), Queue: EventsQueue, What: HappenedAccepted})
	}
	event := way{queue: EventsQueue, history: r.History, redrivenAt: r.RedrivenAt, endedAt: r.UpdatedAt, attempts: r.Attempts}
	callback := way{
		queue: CallbacksQueue, history: r.Callback.History, redrivenAt: r.Callback.RedrivenAt, endedAt: r.Callback.UpdatedAt,
		attempts: r.Callback.Attempts,
	}
	line = event.extend(line, ends[r.Status])
	return MergeTimelines(line, callback.extend(nil, callbackEnds[r.Callback.Status]), func(m Milestone) time.Time { return m.At })
}

// MergeTimelines merges what happened in two places by the time of each thing, as at tells it. The order within a place stays as it
// is.
func MergeTimelines[T any](a, b []T, at func(T) time.Time) []T {
	merged := make([]T, 0, len(a)+len(b))
	var reached time.Time // by a
	for _, one := range a {
		reached = later(reached, at(one))
		for len(b) > 0 && at(b[0]).Before(reached) {
			merged, b = append(merged, b[0]), b[1:]
		}
		merged = append(merged, one)
	}
	return append(merged, b...)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// ends and callbackEnds are what a message came to, by its status.
var (
	ends = map[Status]Happening{
		StatusProcessed: HappenedProcessed, StatusError: HappenedRefused, StatusFailed: HappenedDeadLettered,
		StatusExported: HappenedDeadLettered,
	}
	callbackEnds = map[CallbackStatus]Happening{CallbackDelivered: HappenedDelivered, CallbackFailed: HappenedDeadLettered}
)

// way is what is known of how one message went.
type way struct {
	queue      string
	history    retry.History
	redrivenAt time.Time // the latest time
	endedAt    time.Time // of meaning where it came to an end
	attempts   int
}

// extend adds the milestones of a way to a line, of which end is the last; "" where it goes on.
func (w *way) extend(line []Milestone, end Happening) []Milestone {
	var before retry.Attempt
	for _, attempt := range w.history {
		omitted := attempt.Number - before.Number - 1
		if omitted > 0 {
			line = append(line, Milestone{At: before.EndedAt().UTC(), Queue: w.queue, What: HappenedOmitted, Omitted: omitted})
		}
		if attempt.RedrivenAt.After(before.RedrivenAt) {
			line = w.redriven(line, before, attempt, omitted == 0)
		}
		if attempt.Error != "" {
			line = append(line, Milestone{
				At: attempt.EndedAt().UTC(), Queue: w.queue, What: HappenedFailed, Attempt: attempt.Number, Error: attempt.Error,
				ResponseStatus: attempt.ResponseStatus,
			})
		}
		before = attempt
	}
	if w.redrivenAt.After(before.RedrivenAt) {
		line = w.redriven(line, before, retry.Attempt{RedrivenAt: w.redrivenAt}, true)
	}
	if end != "" {
		line = append(line, Milestone{At: w.endedAt.UTC(), Queue: w.queue, What: end, Attempt: w.attempts})
	}
	return line
}

// redriven adds a redrive, and that the message came into its DLQ before, which it does as its last attempt ends, if that is known.
func (w *way) redriven(line []Milestone, before, after retry.Attempt, known bool) []Milestone {
	if known && before.Number > 0 {
		line = append(line, Milestone{At: before.EndedAt().UTC(), Queue: w.queue, What: HappenedDeadLettered, Attempt: before.Number})
	}
	return append(line, Milestone{At: after.RedrivenAt.UTC(), Queue: w.queue, What: HappenedRedriven, Job: after.Job})
}
