package callback

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// call has a callback to a host take so long, and returns the *BusyError of one that has to come again.
func call(h *hosts, name string, takes time.Duration, failed bool) *BusyError {
	to, err := h.enter(context.Background(), name, DefaultHostConcurrency)
	var busy *BusyError
	if errors.As(err, &busy) {
		return busy
	}
	time.Sleep(takes)
	h.tell(to, takes, failed)
	return nil
}

func TestHostIsSparedAfterFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHosts(100)
		for range failuresToSpare {
			require.Nil(t, call(h, "dead", time.Millisecond, true))
		}
		busy := call(h, "dead", 0, true)
		require.NotNil(t, busy)
		assert.Equal(t, failuresToSpare, busy.Failures)
		assertTurn(t, firstPause, busy.After)
		require.Nil(t, call(h, "alive", 0, false), "no other host is")

		time.Sleep(firstPause)
		require.Nil(t, call(h, "dead", time.Millisecond, true), "one goes ahead")
		busy = call(h, "dead", 0, true)
		require.NotNil(t, busy, "it failed: the next pause is longer")
		assert.Greater(t, busy.After, firstPause)
		time.Sleep(longestPause)
		require.Nil(t, call(h, "dead", time.Millisecond, false))
		require.Nil(t, call(h, "dead", time.Millisecond, false), "it is back")
	})
}

func TestOneGoesAheadToAHostThatIsSpared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHosts(100)
		for range failuresToSpare {
			require.Nil(t, call(h, "dead", 0, true))
		}
		time.Sleep(firstPause)
		var ahead sync.WaitGroup
		ahead.Go(func() { assert.Nil(t, call(h, "dead", time.Second, false)) })
		synctest.Wait()
		assert.NotNil(t, call(h, "dead", 0, false), "the others wait for how that goes")
		ahead.Wait()
		assert.Nil(t, call(h, "dead", 0, false))
	})
}

func TestSlowHostsLeavePlacesToAQuickOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHosts(DefaultConcurrency)
		require.Nil(t, call(h, "live", time.Millisecond, false))
		var hanging sync.WaitGroup
		for n := range 10_000 {
			hanging.Go(func() { call(h, fmt.Sprintf("dead-%d", n%1000), 10*time.Second, true) })
		}
		synctest.Wait()
		assert.LessOrEqual(t, h.busy, DefaultConcurrency-DefaultConcurrency/4)
		for range 1000 {
			require.Nil(t, call(h, "live", time.Millisecond, false))
		}
		hanging.Wait()
	})
}

func TestQuickHostIsWaitedForBriefly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHosts(DefaultConcurrency)
		require.Nil(t, call(h, "live", 2*time.Millisecond, false))
		var refused atomic.Int64
		var calls sync.WaitGroup
		began := time.Now()
		for range DefaultConcurrency {
			calls.Go(func() {
				if call(h, "live", 2*time.Millisecond, false) != nil {
					refused.Add(1)
				}
			})
		}
		calls.Wait()
		assert.Zero(t, refused.Load())
		assert.Equal(t, 32*time.Millisecond, time.Since(began), "500 calls of 2 ms, 32 at once")
		assert.Zero(t, h.busy)
	})
}

// assertTurn asserts that a wait lasts until a turn and less than twice as long, or is one of the end of the line.
func assertTurn(t *testing.T, turn, wait time.Duration) {
	t.Helper()
	if turn > longestWait {
		turn = longestWait / 2
	}
	assert.GreaterOrEqual(t, wait, turn)
	assert.LessOrEqual(t, wait, max(2*turn, shortestWait))
	assert.Contains(t, []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 256}, wait/shortestWait)
}

// Those that have to come again do so one after the other, as the host can take them.
func TestBusyHostHasALine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHosts(DefaultConcurrency)
		require.Nil(t, call(h, "slow", 8*time.Second, false))
		var calls sync.WaitGroup
		for range DefaultHostConcurrency {
			calls.Go(func() { assert.Nil(t, call(h, "slow", 8*time.Second, false)) })
		}
		synctest.Wait()
		for n := 1; n <= 1000; n++ {
			busy := call(h, "slow", 0, false)
			require.NotNil(t, busy)
			assert.Zero(t, busy.Failures)
			assertTurn(t, time.Duration(n)*125*time.Millisecond, busy.After)
		}
		calls.Wait()
	})
}

func TestIdleHostsAreForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHosts(DefaultConcurrency)
		for n := range 5 * fewHosts {
			require.Nil(t, call(h, fmt.Sprint(n), 0, false))
			time.Sleep(2 * time.Second)
		}
		assert.LessOrEqual(t, len(h.known), fewHosts)
	})
}

func TestPaceIsEven(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &pace{each: 10 * time.Millisecond}
		began, now := time.Now(), 0
		for range 100 {
			if p.wait(t.Context()) == nil {
				now++
			}
		}
		assert.Equal(t, 100, now)
		assert.Equal(t, 990*time.Millisecond, time.Since(began))

		slow := &pace{each: time.Second}
		require.NoError(t, slow.wait(t.Context()))
		for n := 1; n <= 100; n++ {
			var busy *BusyError
			require.ErrorAs(t, slow.wait(t.Context()), &busy)
			assertTurn(t, time.Duration(n+1)*time.Second, busy.After)
		}
		time.Sleep(time.Second)
		require.NoError(t, slow.wait(t.Context()))
	})
}

func TestSendKeepsTheRateOfASite(t *testing.T) {
	t.Parallel()
	server, seen := capture(t, http.StatusOK, nil)
	s := senderFor(t, dialHooks{}, func(c *Config) { c.Sites = map[string]Site{siteOf(t, server): {Rate: 1}} })
	_, err := s.Send(t.Context(), requestTo(server.URL))
	require.NoError(t, err)
	_, err = s.Send(t.Context(), requestTo(server.URL))
	var busy *BusyError
	require.ErrorAs(t, err, &busy)
	assert.Len(t, seen, 1)
	assert.Zero(t, s.hosts.busy, "its place is free")
}

func TestSendTellsOfHostsThatAreSpared(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	status := http.StatusBadGateway
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	t.Cleanup(server.Close)
	s := senderFor(t, dialHooks{}, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	for range failuresToSpare {
		_, err := s.Send(t.Context(), requestTo(server.URL+"/?token=hunter2"))
		require.Error(t, err)
	}
	status = http.StatusOK
	require.Eventually(t, func() bool {
		_, err := s.Send(t.Context(), requestTo(server.URL))
		return err == nil
	}, 10*firstPause, firstPause/10)
	assert.Equal(t, 1, strings.Count(log.String(), "a callback host fails and is spared"))
	assert.Equal(t, 1, strings.Count(log.String(), "a callback host is back"))
	assert.Contains(t, log.String(), "host="+siteOf(t, server))
	assert.NotContains(t, log.String(), "hunter2")
}

func TestSendSparesAFailingHost(t *testing.T) {
	t.Parallel()
	for status, spared := range map[int]bool{500: true, 503: true, 429: true, 404: false, 410: false, 302: false} {
		var calls atomic.Int64
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			calls.Add(1)
			w.WriteHeader(status)
		}))
		t.Cleanup(server.Close)
		s := senderFor(t, dialHooks{}, nil)
		var busy *BusyError
		var err error
		for range failuresToSpare + 1 {
			_, err = s.Send(t.Context(), requestTo(server.URL))
			require.Error(t, err)
		}
		assert.Equal(t, spared, errors.As(err, &busy), "%d", status)
		if spared {
			assert.EqualValues(t, failuresToSpare, calls.Load(), "no byte leaves to a host that is spared")
		}
	}
}
