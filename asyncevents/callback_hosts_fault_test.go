package asyncevents_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
)

// newDeadHosts returns n hosts that take connections and never answer, by what to add to the body of the i-th event that calls
// back there.
func newDeadHosts(t *testing.T, n int) func(i int) string {
	t.Helper()
	urls := make([]string, n)
	for i := range urls {
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { _ = listener.Close() })
		urls[i] = "http://" + listener.Addr().String()
	}
	return func(i int) string { return fmt.Sprintf(`,"callback_url":%q`, urls[i%n]) }
}

// pulse is how callbacks to a host go that are sent one after the other.
type pulse struct {
	p99       time.Duration
	perSecond float64
}

// takePulse has a service call a fresh host back n times, one time after the other.
func takePulse(t *testing.T, s *asyncevents.Service, prefix string, n int) pulse {
	t.Helper()
	arrived := make(chan struct{}, n)
	host := newReceiver(t, func(int) int {
		arrived <- struct{}{}
		return http.StatusOK
	})
	took := make([]time.Duration, n)
	began := time.Now()
	for i := range took {
		sent := time.Now()
		accept(t, s, fmt.Sprintf(`{"correlation_id":"%s%d"%s}`, prefix, i, host.url(i)))
		select {
		case <-arrived:
		case <-time.After(patience):
			require.FailNow(t, "no callback")
		}
		took[i] = time.Since(sent)
	}
	elapsed := time.Since(began)
	slices.Sort(took)
	return pulse{took[n*99/100], float64(n) / elapsed.Seconds()}
}

// A host that was never called before is not held up by a hundred that never answer and have thousands of callbacks waiting.
func TestDeadCallbackHostsDelayNoOther(t *testing.T) {
	onEachLocal(t, func(t *testing.T, b *asyncevents.Backend) {
		s, _ := run(t, b, (&failing{}).process, func(c *asyncevents.Config) {
			private(c)
			c.Callbacks.Timeout, c.ShutdownTimeout = time.Minute, time.Millisecond
		})
		alone := takePulse(t, s, "alone", 200)
		const hosts, each = 100, 20
		ids := acceptMany(t, s, "dead", hosts*each, newDeadHosts(t, hosts))
		awaitTally(t, s, ids, map[asyncevents.Status]int{asyncevents.StatusProcessed: hosts * each})
		await(t, "hosts that hang", func() bool {
			backlog, known, err := s.Backlog(context.Background(), asyncevents.CallbacksQueue)
			return err == nil && known && backlog.InFlight >= hosts
		})
		beside := takePulse(t, s, "beside", 200)
		t.Logf("alone %+v, beside %d dead hosts %+v", alone, hosts, beside)
		assert.Less(t, beside.p99, max(2*alone.p99, time.Second), "a dead host holds its place for a minute; the tests beside this one take their time, too")
		assert.Greater(t, beside.perSecond, min(alone.perSecond/2, 5))
		assert.Zero(t, count(t, s, asyncevents.CallbacksQueue), "nobody's attempts are used up")
	})
}
