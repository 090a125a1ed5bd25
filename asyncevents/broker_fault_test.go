package asyncevents_test

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/internal/soak"
	"github.com/redrive-go/redrive/internal/testserver"
	"github.com/redrive-go/redrive/retry"
)

// A broker fails in every way. The cases follow one another on one broker, since none takes longer to start.
func TestBrokerFaults(t *testing.T) {
	t.Parallel()
	server := testserver.PrivateRabbitMQ(t)
	for _, fault := range []struct {
		name string
		test func(*testing.T, *testserver.Server, *database)
	}{
		{"takes nothing", brokerTakesNothing},
		{"hangs", brokerHangs},
		{"down at start", brokerDownAtStart},
		{"restarted under load", brokerRestartedUnderLoad},
	} {
		require.True(t, t.Run(fault.name, func(t *testing.T) {
			fault.test(t, server, carried(newFile(t), server.DSN(), rand.Text()+"."))
		}))
	}
}

// processed returns which events are.
func (d *database) processed(t *testing.T) []string {
	t.Helper()
	return d.texts(t, `SELECT correlation_id FROM `+d.prefix+`events WHERE status = 'processed'`)
}

// awaitEnded waits until events are processed or failed. A queue that is idle does not tell: the broker counts no message that is on
// its way to or from it.
func awaitEnded(t *testing.T, d *database, ids []string) {
	t.Helper()
	open := map[string]bool{}
	for _, id := range ids {
		open[id] = true
	}
	await(t, "the end of all events", func() bool {
		for _, id := range d.texts(t, `SELECT correlation_id FROM `+d.prefix+`events WHERE status IN ('processed', 'failed')`) {
			delete(open, id)
		}
		return len(open) == 0
	})
}

// assertNoneLost holds that events are processed, once those that are on their way have ended.
func assertNoneLost(t *testing.T, d *database, ids []string) {
	t.Helper()
	awaitEnded(t, d, ids)
	done := map[string]bool{}
	for _, id := range d.processed(t) {
		done[id] = true
	}
	var lost []string
	for _, id := range ids {
		if !done[id] {
			lost = append(lost, id)
		}
	}
	assert.Empty(t, lost, "of %d", len(ids))
}

// doubled is how many runs there were beside the first of each event.
func (s *starts) doubled() (runs int) {
	for n, events := range s.perEvent() {
		runs += (n - 1) * events
	}
	return runs
}

// The broker is killed and comes back, again and again, under load: nothing that was accepted is lost, and nobody waits long.
func brokerRestartedUnderLoad(t *testing.T, server *testserver.Server, d *database) {
	restarts := soak.Long(1, 10)
	var seen starts
	s, _ := run(t, d.open(t), working(&seen, time.Millisecond), nil)
	p := newPosting(t, s)
	p.keyless = true
	p.start(16)
	for n := range restarts {
		more(t, &p.accepted, 100)
		require.NoError(t, server.Kill())
		if n%2 == 0 { // else it comes back before anybody has asked for long
			more(t, &p.refused, 50)
		}
		require.NoError(t, server.Start(t.Context()))
	}
	more(t, &p.accepted, 100)
	ids := p.stop()
	awaitIdle(t, s, asyncevents.EventsQueue)
	assertNoneLost(t, d, ids)
	assert.Less(t, time.Duration(p.longest.Load()), 5*time.Second)
	t.Logf("%d events over %d restarts: %d refused, the longest POST took %v, %d runs doubled",
		len(ids), restarts, p.refused.Load(), time.Duration(p.longest.Load()), seen.doubled())
	assert.LessOrEqual(t, seen.doubled(), restarts*100, "at most those in flight")
	assert.Zero(t, count(t, s, asyncevents.EventsQueue))
}

// refused posts events at the same time, for as long as that takes and a while at least, and holds that each is answered as one that
// cannot be accepted now.
func refused(t *testing.T, p *posting, clients int, atLeast time.Duration) {
	t.Helper()
	began := time.Now()
	var posting sync.WaitGroup
	for range clients {
		posting.Go(func() {
			for again := true; again; again = time.Since(began) < atLeast {
				assert.False(t, p.post(`{}`), "accepted without a broker")
			}
		})
	}
	posting.Wait()
	assert.Less(t, time.Duration(p.longest.Load()), 5*time.Second)
	t.Logf("%d refused, the longest POST took %v", p.refused.Load(), time.Duration(p.longest.Load()))
}

// awaitAccepted posts an event until it is accepted.
func awaitAccepted(t *testing.T, p *posting) {
	t.Helper()
	await(t, "a broker that takes events", func() bool { return p.post(`{}`) })
}

// The broker hangs: its connections stay open, and nothing comes back. When it goes on, so does everything.
func brokerHangs(t *testing.T, server *testserver.Server, d *database) {
	lasts := soak.Long(4*time.Second, 40*time.Second) // until the connections are given up
	var seen starts
	s, stop := run(t, d.open(t), working(&seen, 0), nil)
	p := newPosting(t, s)
	awaitAccepted(t, p)
	require.NoError(t, server.Pause())
	refused(t, p, 20, lasts)
	require.NoError(t, server.Resume())
	awaitAccepted(t, p)
	awaitIdle(t, s, asyncevents.EventsQueue)
	assertNoneLost(t, d, p.stop())
	require.NoError(t, stop())
}

// The broker is short of memory: it takes nothing, and gives what it has.
func brokerTakesNothing(t *testing.T, server *testserver.Server, d *database) {
	const waiting = 50
	opened := make(chan struct{})
	s, _ := run(t, d.open(t), func(context.Context, asyncevents.Event) (any, error) {
		<-opened
		return nil, nil
	}, func(c *asyncevents.Config) { c.Concurrency = 5 })
	p := newPosting(t, s)
	for range waiting {
		require.True(t, p.post(`{}`))
	}
	testserver.Rabbitmqctl(t, server, "set_vm_memory_high_watermark", "0.000001")
	refused(t, p, 20, 0)
	require.Error(t, s.Ping(t.Context()))
	close(opened)
	await(t, "all that waited", func() bool { return len(d.processed(t)) == waiting })
	assert.False(t, p.post(`{}`), "the alarm goes on")

	testserver.Rabbitmqctl(t, server, "set_vm_memory_high_watermark", "0.4")
	awaitAccepted(t, p)
	require.NoError(t, s.Ping(t.Context()))
	awaitIdle(t, s, asyncevents.EventsQueue)
	assertNoneLost(t, d, p.stop())
}

// A service that starts before its broker is up, not ready, and begins by itself. A wait that has begun holds over a restart.
func brokerDownAtStart(t *testing.T, server *testserver.Server, d *database) {
	const backoff = 8 * time.Second // longer than a restart takes
	require.NoError(t, server.Stop())
	var seen starts
	s, stop := run(t, d.open(t), func(_ context.Context, e asyncevents.Event) (any, error) {
		if seen.add(e.ID) == 1 {
			return nil, errors.New("no")
		}
		return nil, nil
	}, func(c *asyncevents.Config) { c.Policy = retry.Fixed(backoff) })
	require.Error(t, s.Ping(t.Context()))
	p := newPosting(t, s)
	require.False(t, p.post(`{"correlation_id":"e0"}`), "accepted without a broker")
	require.NoError(t, server.Start(t.Context()))
	await(t, "readiness", func() bool { return s.Ping(t.Context()) == nil })
	require.True(t, p.post(`{"correlation_id":"e0"}`))

	await(t, "a first attempt", func() bool {
		r, err := s.Status(t.Context(), "e0")
		return err == nil && r.Attempts == 1
	})
	// RabbitMQ notes the name of a new quorum queue half a second after it was made: a crash before that makes it an empty one.
	time.Sleep(time.Second)
	require.NoError(t, server.Kill())
	require.NoError(t, server.Start(t.Context()))
	r := awaitStatus(t, s, "e0", asyncevents.StatusProcessed)
	assert.Equal(t, 2, r.Attempts)
	at := seen.of("e0")
	require.Len(t, at, 2)
	assert.GreaterOrEqual(t, at[1].Sub(at[0]), backoff)
	require.NoError(t, stop())
}
