package asyncevents

import (
	"slices"
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
}

// Happening is what a Milestone is.
type Happening string

// The happenings of a timeline.
const (
	// HappenedAccepted is an event that intake took.
	HappenedAccepted Happening = "accepted"
	// HappenedFailed is an attempt that failed.
	HappenedFailed Happening = "attempt_failed"
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

// Timeline is what happened to an event and to its callback, oldest first, as far as the record knows. Of very many attempts it
// has the first and the latest, as retry.History does.
func (r *Record) Timeline() []Milestone {
	line := []Milestone{{At: r.CreatedAt.UTC(), Queue: EventsQueue, What: HappenedAccepted}}
	event := way{queue: EventsQueue, history: r.History, redrivenAt: r.RedrivenAt, endedAt: r.UpdatedAt, attempts: r.Attempts}
	callback := way{
		queue: CallbacksQueue, history: r.Callback.History, redrivenAt: r.Callback.RedrivenAt, endedAt: r.Callback.UpdatedAt,
		attempts: r.Callback.Attempts,
	}
	line = event.extend(line, ends[r.Status])
	line = callback.extend(line, callbackEnds[r.Callback.Status])
	slices.SortStableFunc(line, func(a, b Milestone) int { return a.At.Compare(b.At) })
	return line
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
		if attempt.RedrivenAt.After(before.RedrivenAt) {
			line = w.redriven(line, before, attempt)
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
		line = w.redriven(line, before, retry.Attempt{RedrivenAt: w.redrivenAt})
	}
	if end != "" {
		line = append(line, Milestone{At: w.endedAt.UTC(), Queue: w.queue, What: end, Attempt: w.attempts})
	}
	return line
}

// redriven adds a redrive, and that the message came into its DLQ before, which it does as its last attempt ends.
func (w *way) redriven(line []Milestone, before, after retry.Attempt) []Milestone {
	if before.Number > 0 {
		line = append(line, Milestone{At: before.EndedAt().UTC(), Queue: w.queue, What: HappenedDeadLettered, Attempt: before.Number})
	}
	return append(line, Milestone{At: after.RedrivenAt.UTC(), Queue: w.queue, What: HappenedRedriven, Job: after.Job})
}
