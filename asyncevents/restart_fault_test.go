package asyncevents_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/internal/soak"
	"github.com/redrive-go/redrive/internal/testserver"
)

// privateServers are servers that a test may kill, with the database that lies on them.
var privateServers = map[string]func(*testing.T) *privateServer{
	"postgres": func(t *testing.T) *privateServer {
		s := testserver.PrivatePostgres(t)
		return &privateServer{s, postgresAt(s.DSN(), "")}
	},
	"mysql": func(t *testing.T) *privateServer {
		s := testserver.PrivateMySQL(t)
		return &privateServer{s, mysqlAt(s.DSN())}
	},
	"store of amqp": func(t *testing.T) *privateServer {
		var s *testserver.Server
		d := carrying(func(t *testing.T) *database {
			s = testserver.PrivatePostgres(t)
			return postgresAt(s.DSN(), "")
		})(t)
		return &privateServer{s, d}
	},
}

type privateServer struct {
	*testserver.Server
	database *database
}

// A server fails in every way, of every kind. The cases follow one another on one server.
func TestServerFaults(t *testing.T) {
	t.Parallel()
	onEachOf(t, privateServers, func(t *testing.T, server *privateServer) {
		for _, fault := range []struct {
			name string
			test func(*testing.T, *privateServer)
		}{
			{"down at start", serverDownAtStart},
			{"restarted under load", serverRestartedUnderLoad},
		} {
			require.True(t, t.Run(fault.name, func(t *testing.T) { fault.test(t, server) }))
		}
	})
}

// breath is what clients pause between events: what a fault does shows without a full load.
var breath = soak.Long(5*time.Millisecond, 0)

// posting is a load of POSTs, each sent again with its key until it is accepted.
type posting struct {
	t        *testing.T
	url      string
	keyless  bool // every other event has no key, and is another one when it is sent again
	mu       sync.Mutex
	ids      []string // of what was accepted
	stopped  atomic.Bool
	sending  sync.WaitGroup
	accepted atomic.Int64
	refused  atomic.Int64
	longest  atomic.Int64 // in nanoseconds
}

func (p *posting) start(clients int) {
	for client := range clients {
		p.sending.Go(func() {
			for n := 0; !p.stopped.Load(); n++ {
				body := fmt.Sprintf(`{"correlation_id":"c%d-%d"}`, client, n)
				if p.keyless && n%2 == 1 {
					body = `{}`
				}
				for !p.post(body) {
					time.Sleep(20 * time.Millisecond)
				}
				p.accepted.Add(1)
				time.Sleep(breath)
			}
		})
	}
}

// post is whether an event was accepted. What is not is answered soon, as 503, and says when to come again.
func (p *posting) post(body string) bool {
	began := time.Now()
	response, err := http.Post(p.url, "application/json", strings.NewReader(body)) //nolint:noctx,gosec // ours
	took := time.Since(began)
	if !assert.NoError(p.t, err) {
		return true
	}
	assert.NoError(p.t, response.Body.Close())
	for longest := p.longest.Load(); took > time.Duration(longest); longest = p.longest.Load() {
		p.longest.CompareAndSwap(longest, int64(took))
	}
	if response.StatusCode == http.StatusAccepted {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.ids = append(p.ids, path.Base(response.Header.Get("Location")))
		return true
	}
	p.refused.Add(1)
	assert.Equal(p.t, http.StatusServiceUnavailable, response.StatusCode)
	seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
	assert.NoError(p.t, err)
	assert.Positive(p.t, seconds)
	return false
}

// stop ends the load, and returns the ids of what was accepted, each once.
func (p *posting) stop() []string {
	p.stopped.Store(true)
	p.sending.Wait()
	slices.Sort(p.ids)
	return slices.Compact(p.ids)
}

// newPosting makes clients of a service.
func newPosting(t *testing.T, s *asyncevents.Service) *posting {
	t.Helper()
	intake := httptest.NewServer(s.Handler())
	t.Cleanup(intake.Close)
	return &posting{t: t, url: intake.URL + "/v1/async/events"}
}

// A server is killed and comes back, again and again, under load: nothing that was accepted is lost, and nobody waits long.
func serverRestartedUnderLoad(t *testing.T, server *privateServer) {
	restarts := soak.Long(2, 10)
	var seen starts
	s, _ := run(t, server.database.open(t), working(&seen, time.Millisecond), func(c *asyncevents.Config) {
		c.Lease = 2 * time.Second // of claims that were committed, but of which nobody heard
	})
	p := newPosting(t, s)
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
	p.stop()
	awaitIdle(t, s, asyncevents.EventsQueue)
	processed := server.database.texts(t, `SELECT correlation_id FROM redrive_events
		WHERE status = 'processed' AND correlation_id LIKE 'c%'`)
	assert.Len(t, processed, int(p.accepted.Load()))
	assert.Less(t, time.Duration(p.longest.Load()), 5*time.Second)
	doubled := 0
	for n, events := range seen.perEvent() {
		doubled += (n - 1) * events
	}
	t.Logf("%d events over %d restarts: %d refused, the longest POST took %v, %d runs doubled",
		len(processed), restarts, p.refused.Load(), time.Duration(p.longest.Load()), doubled)
	assert.LessOrEqual(t, doubled, restarts*100, "at most those in flight")
	assert.Zero(t, count(t, s, asyncevents.EventsQueue))
}

// more waits until a counter has grown by so much.
func more(t *testing.T, counter *atomic.Int64, by int64) {
	t.Helper()
	from := counter.Load()
	await(t, "more", func() bool { return counter.Load() >= from+by })
}

// A service that starts before its server is up, not ready, and begins by itself.
func serverDownAtStart(t *testing.T, server *privateServer) {
	require.NoError(t, server.Stop())
	var seen starts
	s, stop := run(t, server.database.open(t), working(&seen, 0), nil)
	require.Error(t, s.Ping(t.Context()))
	p := newPosting(t, s)
	require.False(t, p.post(`{"correlation_id":"e0"}`), "accepted without a store")
	require.NoError(t, server.Start(t.Context()))
	await(t, "readiness", func() bool { return s.Ping(t.Context()) == nil })
	require.True(t, p.post(`{"correlation_id":"e0"}`))
	awaitStatus(t, s, "e0", asyncevents.StatusProcessed)
	assert.Equal(t, map[int]int{1: 1}, seen.perEvent())
	require.NoError(t, stop())
}
