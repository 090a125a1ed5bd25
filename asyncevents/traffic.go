package asyncevents

import (
	"context"
	"sync/atomic"
	"time"
)

// TrafficKept is how long a TrafficLog keeps what was noted.
const TrafficKept = 24 * time.Hour

const (
	// trafficInterval is how often a replica notes what it did.
	trafficInterval = 10 * time.Second
	// trafficPatience is how long one note may take.
	trafficPatience = 5 * time.Second
)

// Traffic is what went through a queue within one minute, in all replicas, and how many entries its DLQ held.
type Traffic struct {
	// At is when the minute began.
	At time.Time `json:"at"`
	// Depth is how many entries the DLQ held when the minute was noted last.
	Depth int64 `json:"depth"`
	// Accepted is how many events came in, by replicas that process as well; always 0 for CallbacksQueue.
	Accepted int64 `json:"accepted"`
	// Done is how many were processed or refused by the processor, or callbacks delivered.
	Done int64 `json:"done"`
	// Again is how many attempts failed that are tried again.
	Again int64 `json:"again"`
	// Dead is how many came into the DLQ.
	Dead int64 `json:"dead"`
}

// TrafficLog remembers the traffic of queues by the minute, for TrafficKept, so that people see when something began. A backend
// implements it. Its methods may be called from any number of goroutines and replicas.
type TrafficLog interface {
	// Note adds counts to the present minute of a queue, by the store's clock, with the present size of its DLQ as the Depth, and
	// forgets minutes older than TrafficKept. At and Depth of t are not read.
	Note(ctx context.Context, queue string, t Traffic) error
	// Since returns the minutes of a queue that were noted and begin at from or later, the oldest first.
	Since(ctx context.Context, queue string, from time.Time) ([]Traffic, error)
}

// Traffic returns the minutes of a queue that were noted and begin at from or later, the oldest first: at most those of TrafficKept.
// They are noted by Run, every ten seconds. There are none where the backend has no TrafficLog.
func (s *Service) Traffic(ctx context.Context, queue string, from time.Time) ([]Traffic, error) {
	if s.backend.Traffic == nil {
		return nil, nil
	}
	return s.backend.Traffic.Since(ctx, queue, from)
}

// tally counts what goes through a queue in this process until it is noted.
type tally struct{ accepted, done, again, dead atomic.Int64 }

// attempted counts an attempt that ended so.
func (t *tally) attempted(outcome string) {
	switch outcome {
	case outcomeRetried:
		t.again.Add(1)
	case outcomeDeadLettered:
		t.dead.Add(1)
	case string(StatusProcessed), string(StatusError), string(CallbackDelivered):
		t.done.Add(1)
	}
}

// take returns what was counted, and begins anew.
func (t *tally) take() Traffic {
	return Traffic{Accepted: t.accepted.Swap(0), Done: t.done.Swap(0), Again: t.again.Swap(0), Dead: t.dead.Swap(0)}
}

// giveBack counts what could not be noted.
func (t *tally) giveBack(noted Traffic) {
	t.accepted.Add(noted.Accepted)
	t.done.Add(noted.Done)
	t.again.Add(noted.Again)
	t.dead.Add(noted.Dead)
}

// noteTraffic notes what went through the queues until ctx ends. What a process counted in its last seconds is lost with it: these
// are numbers to look at, and nothing is decided by them.
func (s *Service) noteTraffic(ctx context.Context) error {
	if s.backend.Traffic == nil {
		return nil
	}
	ticker := time.NewTicker(trafficInterval)
	defer ticker.Stop()
	noted, blind := map[string]time.Time{}, false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		failed := false
		for _, queue := range Queues() {
			if err := s.noteQueue(ctx, queue, noted); err != nil && ctx.Err() == nil {
				if failed = true; !blind {
					s.cfg.Logger.WarnContext(ctx, "the traffic of a queue cannot be noted", "queue", queue, "error", err)
				}
			}
		}
		blind = failed
	}
}

// noteQueue notes what was counted, or at least once a minute that there was nothing.
func (s *Service) noteQueue(ctx context.Context, queue string, noted map[string]time.Time) error {
	tally := s.telemetry.tallies[queue]
	counted, now := tally.take(), time.Now()
	if counted == (Traffic{}) && now.Truncate(time.Minute).Equal(noted[queue]) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, trafficPatience)
	defer cancel()
	if err := s.backend.Traffic.Note(ctx, queue, counted); err != nil {
		tally.giveBack(counted)
		return err
	}
	noted[queue] = now.Truncate(time.Minute)
	return nil
}
