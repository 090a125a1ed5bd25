package bench

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
)

// callEvery is the pace of an intake's calls: slow enough to leave the machine to what goes on beside it.
const callEvery = 5 * time.Millisecond

// An intake is called at a steady pace while something else goes on, by callers that do not wait for each other: a
// stall is met by all that call meanwhile.
type intake struct {
	stop, stopped chan struct{}
	mu            sync.Mutex
	took          []time.Duration
	err           error
}

func startIntake(s *asyncevents.Service) *intake {
	in := &intake{stop: make(chan struct{}), stopped: make(chan struct{})}
	go in.run(s)
	return in
}

func (in *intake) run(s *asyncevents.Service) {
	defer close(in.stopped)
	var calling sync.WaitGroup
	defer calling.Wait()
	pace := time.NewTicker(callEvery)
	defer pace.Stop()
	for {
		select {
		case <-in.stop:
			return
		case <-pace.C:
			calling.Go(func() { in.call(s) })
		}
	}
}

func (in *intake) call(s *asyncevents.Service) {
	called := time.Now()
	_, err := s.Accept(context.Background(), asyncevents.Submission{Body: body})
	in.mu.Lock()
	defer in.mu.Unlock()
	in.took = append(in.took, time.Since(called))
	in.err = errors.Join(in.err, err)
}

// end stops the calls and returns how long each of them took.
func (in *intake) end(tb testing.TB) []time.Duration {
	close(in.stop)
	<-in.stopped
	must(tb, in.err)
	return in.took
}
