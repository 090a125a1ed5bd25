package asyncevents

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// limited configures a handler with a rate limit.
func limited(t *testing.T, limit RateLimit) func(*handlerConfig) {
	rates, err := newRateLimiter(&limit)
	require.NoError(t, err)
	return func(c *handlerConfig) { c.rates = rates }
}

// byName takes a client at its word.
func byName(r *http.Request) string { return r.Header.Get("Client") }

// Each client has its burst and its rate, whatever the others do, and is told when there is room again.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, limited(t, RateLimit{EventsPerSecond: 2, Burst: 10, Client: byName}))
		for _, client := range []string{"a", "b"} {
			for range 10 {
				require.Equal(t, 202, d.post("{}", "Client", client).Code)
			}
			w := d.post("{}", "Client", client)
			requireProblem(t, w, 429, CodeTooManyRequests, "TooManyRequestsException", "Too many requests, try again later")
			require.Equal(t, "1", w.Header().Get("Retry-After"))
		}
		accepted := 0
		for range 1000 { // ten seconds
			time.Sleep(10 * time.Millisecond)
			if d.post("{}", "Client", "a").Code == 202 {
				accepted++
			}
		}
		assert.InDelta(t, 20, accepted, 1)
		assert.Equal(t, 200, d.do(http.MethodGet, eventsPath+"/id-1", nil, "Client", "a").Code, "asking is free")
		assert.Equal(t, 202, d.post("{}", "Client", "b").Code)
	})
}

// A client that the authenticator names has its rate under that name, wherever it comes from.
func TestRateLimitOfNamedClients(t *testing.T) {
	t.Parallel()
	d := newDesk(t, limited(t, RateLimit{EventsPerSecond: 1e-9, Burst: 1}), func(c *handlerConfig) {
		c.authenticate = func(r *http.Request) (string, error) { return byName(r), nil }
	})
	for client, status := range map[string]int{"a": 202, "b": 202, "": 202} {
		assert.Equal(t, status, d.post("{}", "Client", client).Code)
		assert.Equal(t, 429, d.post("{}", "Client", client).Code)
	}
}

// A batch counts as many events as it has, also when it has more than a burst, and two at once do not both pass.
func TestRateLimitOfBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, limited(t, RateLimit{EventsPerSecond: 10, Burst: 20, Client: byName}))
		batch := "[{}" + strings.Repeat(",{}", 119) + "]"
		send := func() *httptest.ResponseRecorder {
			return d.do(http.MethodPost, batchPath, strings.NewReader(batch), "Client", "a")
		}
		require.Equal(t, 202, send().Code)
		w := send()
		require.Equal(t, 429, w.Code)
		wait, err := strconv.Atoi(w.Header().Get("Retry-After"))
		require.NoError(t, err)
		assert.Equal(t, 11, wait, "(120 - 20 + 1) / 10, rounded up")
		time.Sleep(time.Duration(wait) * time.Second)
		require.Equal(t, 202, send().Code)
		require.Len(t, d.intake.bodies, 240)
	})
}

// However many clients there are, no more than so many are remembered: the one that was seen last of all goes first.
func TestRateLimitForgetsClients(t *testing.T) {
	t.Parallel()
	l, err := newRateLimiter(&RateLimit{EventsPerSecond: 1e-9, Burst: 1, Client: byName, MaxClients: 100})
	require.NoError(t, err)
	take := func(name string) *Problem {
		r := httptest.NewRequest(http.MethodPost, eventsPath, nil)
		r.Header.Set("Client", name)
		return l.take(r, "", 1)
	}
	require.Nil(t, take("steady"))
	for i := range 10_000 {
		require.Nil(t, take(fmt.Sprint(i)))
		require.NotNil(t, take("steady"), "it was seen a moment ago")
	}
	assert.Equal(t, 100, l.clients.Len())
	assert.NotNil(t, take("9999"))
	problem := take("steady")
	assert.Equal(t, time.Hour, problem.RetryAfter, "not centuries")
	assert.Nil(t, take("0"), "forgotten long ago")
}

func TestRateLimitNamesClientsByAddress(t *testing.T) {
	t.Parallel()
	for remote, name := range map[string]string{
		"192.0.2.1:1234": "192.0.2.1", "192.0.2.1:99": "192.0.2.1", "[::ffff:192.0.2.1]:5": "192.0.2.1",
		"[2001:db8:1:2:3:4:5:6]:1": "2001:db8:1:2::/64", "[2001:db8:1:2::9]:2": "2001:db8:1:2::/64", "[fe80::1%eth0]:3": "fe80::/64",
		"@": "@", "": "",
	} {
		assert.Equal(t, name, remoteNetwork(&http.Request{RemoteAddr: remote}), remote)
	}
}

func TestRateLimitIsValidated(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		c := Config{RateLimit: &RateLimit{EventsPerSecond: rate, Burst: -1, MaxClients: -1}, MaxQueued: -1}
		err := c.Validate()
		for _, field := range []string{"RateLimit.EventsPerSecond", "RateLimit.Burst", "RateLimit.MaxClients", "MaxQueued"} {
			assert.ErrorContains(t, err, field)
		}
	}
	assert.Equal(t, 1, (&RateLimit{EventsPerSecond: .1}).withDefaults().Burst)
	assert.NoError(t, (&Config{RateLimit: &RateLimit{EventsPerSecond: .1}}).Validate())
}

// A refused request costs no read of its body.
func TestLimitsComeBeforeTheBody(t *testing.T) {
	t.Parallel()
	full := &queueLimiter{began: time.Now()}
	full.full.Store(true)
	full.next.Store(math.MaxInt64)
	for _, path := range []string{eventsPath, batchPath} {
		d := newDesk(t, func(c *handlerConfig) { c.depth = full })
		var read atomic.Bool
		w := d.do(http.MethodPost, path, readFunc(func([]byte) (int, error) { read.Store(true); return 0, fmt.Errorf("read") }))
		assert.Equal(t, 429, w.Code)
		assert.False(t, read.Load())
		assert.NotEmpty(t, w.Header().Get("Retry-After"))
	}
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }
