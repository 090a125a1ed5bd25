package bench

import (
	"context"
	"testing"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
)

// callEvery is the pace of an intake's calls: slow enough to leave the machine to what goes on beside it.
const callEvery = 2 * time.Millisecond

// An intake is one caller that accepts events at a steady pace while something else goes on.
type intake struct {
	stop, stopped chan struct{}
	took          []time.Duration
	err           error
}

func startIntake(s *asyncevents.Service) *intake {
	in := &intake{stop: make(chan struct{}), stopped: make(chan struct{})}
	go func() {
		defer close(in.stopped)
		in.call(s)
	}()
	return in
}

// call accepts until it is stopped. A call that had to wait for the one before counts from when it was due, so that a
// stall weighs as much as it would have with callers that do not wait for each other.
func (in *intake) call(s *asyncevents.Service) {
	for due := time.Now(); ; due = due.Add(callEvery) {
		select {
		case <-in.stop:
			return
		default:
		}
		called := due
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
			called = time.Now()
		}
		if _, in.err = s.Accept(context.Background(), asyncevents.Submission{Body: body}); in.err != nil {
			return
		}
		in.took = append(in.took, time.Since(called))
	}
}

// end stops the caller and returns how long each of its calls took.
func (in *intake) end(tb testing.TB) []time.Duration {
	close(in.stop)
	<-in.stopped
	must(tb, in.err)
	return in.took
}
