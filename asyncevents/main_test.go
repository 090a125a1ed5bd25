package asyncevents_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
)

// noting is a goroutine that Watermill's case of TestReconnect leaves behind.
const noting = "github.com/ThreeDotsLabs/watermill/pubsub/tests.TestReconnect.func2"

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == asRestart {
		os.Exit(askRestart(os.Args[2]))
	}
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(noting))
}

// dlqAll lists the whole Events DLQ.
var dlqAll = dlq.ListParams{Queue: asyncevents.EventsQueue, Limit: math.MaxInt32}

// eventsTopic is the topic of the events queue under the default prefix.
const eventsTopic = asyncevents.DefaultTopicPrefix + asyncevents.EventsQueue

const (
	patience = time.Minute
	tick     = 10 * time.Millisecond
)

// slowdown is about how much slower everything is under the race detector.
var slowdown = 1

// await waits for something to become true.
func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	require.Eventually(t, is, patience, tick, what)
}

// acceptMany has a service take events at the same time, and returns their ids: "prefix0", "prefix1" and so on. more is
// added to their bodies.
func acceptMany(t *testing.T, s *asyncevents.Service, prefix string, n int, more func(i int) string) []string {
	t.Helper()
	ids := make([]string, n)
	var accepting sync.WaitGroup
	callers := make(chan struct{}, 128) // all at once would outlast the patience of Accept on a busy machine
	for i := range ids {
		ids[i] = fmt.Sprintf("%s%d", prefix, i)
		body := fmt.Sprintf(`{"correlation_id":%q%s}`, ids[i], more(i))
		callers <- struct{}{}
		accepting.Go(func() {
			_, err := s.Accept(context.Background(), asyncevents.Submission{Body: []byte(body)})
			assert.NoError(t, err)
			<-callers
		})
	}
	accepting.Wait()
	return ids
}

// bare adds nothing to a body.
func bare(int) string { return "" }

// awaitTally waits until so many of the events have each status.
func awaitTally(t *testing.T, s *asyncevents.Service, ids []string, want map[asyncevents.Status]int) {
	t.Helper()
	status := func(id string) asyncevents.Status {
		r, err := s.Status(context.Background(), id)
		assert.NoError(t, err)
		return r.Status
	}
	next := 0 // all are asked for together once each has had a status that is wanted: asking takes its time
	await(t, fmt.Sprint(want), func() bool {
		for ; next < len(ids); next++ {
			if want[status(ids[next])] == 0 {
				return false
			}
		}
		have := map[asyncevents.Status]int{}
		for _, id := range ids {
			have[status(id)]++
		}
		return assert.ObjectsAreEqual(want, have)
	})
}

// count returns how many entries stand in a DLQ.
func count(t *testing.T, s *asyncevents.Service, queue string) int64 {
	t.Helper()
	stats, err := s.DeadLetters().Stat(context.Background(), queue)
	require.NoError(t, err)
	return stats.Count
}

// awaitDead waits until so many entries stand in a DLQ, and returns them.
func awaitDead(t *testing.T, s *asyncevents.Service, queue string, n int) []dlq.Entry {
	t.Helper()
	await(t, fmt.Sprintf("%d entries", n), func() bool { return count(t, s, queue) == int64(n) })
	page, err := s.DeadLetters().List(context.Background(), queue, dlq.Query{Limit: dlq.MaxPage})
	require.NoError(t, err)
	require.Len(t, page.Entries, min(n, dlq.MaxPage))
	return page.Entries
}

// awaitIdle waits until nothing is left in a queue.
func awaitIdle(t *testing.T, s *asyncevents.Service, queue string) {
	t.Helper()
	await(t, "an empty queue", func() bool {
		b, known, err := s.Backlog(context.Background(), queue)
		return err == nil && known && b == asyncevents.Backlog{}
	})
}

// starts records when each event was started.
type starts struct {
	mu sync.Mutex
	at map[string][]time.Time
}

// add records a start and returns its number.
func (s *starts) add(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at == nil {
		s.at = map[string][]time.Time{}
	}
	s.at[id] = append(s.at[id], time.Now())
	return len(s.at[id])
}

func (s *starts) of(id string) []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]time.Time(nil), s.at[id]...)
}

// perEvent returns how many events were started how often.
func (s *starts) perEvent() map[int]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := map[int]int{}
	for _, at := range s.at {
		n[len(at)]++
	}
	return n
}

// faultyStore is a store that cannot take dead letters while it is broken.
type faultyStore struct {
	asyncevents.Store
	broken atomic.Bool
	tries  starts
}

var errStore = fmt.Errorf("the disk is full")

func (f *faultyStore) Settle(ctx context.Context, s asyncevents.Settlement) error {
	if s.DeadLetter != nil && f.broken.Load() {
		f.tries.add(s.CorrelationID)
		return errStore
	}
	return f.Store.Settle(ctx, s)
}
