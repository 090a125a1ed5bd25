package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
)

// sampleIDs returns the ids of the samples once the report is printed.
func sampleIDs(t *testing.T, r *running) []string {
	t.Helper()
	eventually(t, func() bool { return strings.Contains(r.out.String(), "curl") }, "no report")
	ids := regexp.MustCompile(`(?m)^  (sample-\S+)`).FindAllStringSubmatch(r.out.String(), -1)
	require.Len(t, ids, 9)
	var names []string
	for _, id := range ids {
		names = append(names, id[1])
	}
	return names
}

func TestSamplesWithDefaultWaits(t *testing.T) {
	t.Parallel()
	began := time.Now()
	r := start(t, "-samples", "-backoff", "0")
	ids := sampleIDs(t, r)
	assert.Less(t, time.Since(began), 8*time.Second, "who tries it out does not wait long")
	want := []asyncevents.Status{"processed", "processed", "processed", "error", "processed", "failed", "failed", "queued",
		"processed"}
	for i, id := range ids {
		seen := r.status(t, id)
		assert.Equal(t, want[i], seen.Status, id)
		switch i {
		case 0, 1, 3:
			assert.Equal(t, asyncevents.CallbackDelivered, seen.Callback.Status, id)
		case 8:
			assert.Equal(t, asyncevents.CallbackPending, seen.Callback.Status, id)
		default:
			assert.Equal(t, asyncevents.CallbackNone, seen.Callback.Status, id)
		}
	}
	assert.Equal(t, 2, r.status(t, ids[2]).Attempts)
	assert.GreaterOrEqual(t, r.server.receiver.valid.Load(), int64(4))
	assert.Zero(t, r.server.receiver.forged.Load())
	out := r.out.String()
	assert.Regexp(t, `sample-\S+-8 +fails five times; a redrive succeeds +queued, again in \ds +\d`, out)
	assert.Regexp(t, `in its DLQ after about 1m[234]\ds`, out)
	assert.Contains(t, out, r.base+"/manage/")
	assert.Equal(t, 3, strings.Count(out, "  curl "))
}

func TestSamplesToTheEnd(t *testing.T) {
	t.Parallel()
	for _, backend := range []string{backendSQLite, backendAMQP} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			samplesToTheEnd(t, stores[backend](t))
		})
	}
}

func samplesToTheEnd(t *testing.T, store []string) {
	r := start(t, append(store, "-samples")...)
	ids := sampleIDs(t, r)
	r.await(t, ids[7], asyncevents.StatusFailed)
	eventually(t, func() bool { return r.status(t, ids[8]).Callback.Status == asyncevents.CallbackFailed }, "not failed")
	events, _ := r.queue(t, asyncevents.EventsQueue)
	callbacks, _ := r.queue(t, asyncevents.CallbacksQueue)
	assert.EqualValues(t, []int64{3, 1}, []int64{events, callbacks})

	for range 3 {
		status, answer := r.do(t, http.MethodPost, "/manage/api/queues/events/retry-one", "")
		require.Equal(t, http.StatusOK, status, answer)
	}
	status, answer := r.do(t, http.MethodPost, "/manage/api/queues/callbacks/retry-one", "")
	require.Equal(t, http.StatusOK, status, answer)
	assert.Equal(t, 6, r.await(t, ids[7], asyncevents.StatusProcessed).Attempts, "fails are counted across redrives")
	eventually(t, func() bool { return r.status(t, ids[8]).Callback.Status == asyncevents.CallbackDelivered }, "not delivered")
	for _, id := range ids[5:7] {
		eventually(t, func() bool { return r.status(t, id).Attempts == 2 }, "%s not tried again", id)
		r.await(t, id, asyncevents.StatusFailed)
	}
}

func TestSamplesCarryTheToken(t *testing.T) {
	t.Parallel()
	r := start(t, "-samples", "-intake-token", "let-me-in", "-manage-token", "let-me-manage")
	sampleIDs(t, r)
	out := r.out.String()
	assert.NotContains(t, out, "let-me")
	assert.Equal(t, 2, strings.Count(out, "Authorization: Bearer <intake token>"))
	assert.Equal(t, 1, strings.Count(out, "Authorization: Bearer <manage token>"))
	assert.Contains(t, out, "processed")
}

func TestSamplesAreNewAtEachStart(t *testing.T) {
	t.Parallel()
	first, err := newSamples("a")
	require.NoError(t, err)
	second, err := newSamples("b")
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, s := range append(first, second...) {
		assert.False(t, seen[s.ID], s.ID)
		seen[s.ID] = true
		assert.NotEmpty(t, s.Note)
		assert.Contains(t, string(s.Body), `"correlation_id":"`+s.ID+`"`)
	}
}

func TestDemonstrateReportsWhatWentWrong(t *testing.T) {
	t.Parallel()
	down := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no room", http.StatusServiceUnavailable)
	}))
	defer down.Close()
	samples, err := newSamples("s")
	require.NoError(t, err)
	_, err = (&client{http: down.Client(), base: down.URL}).demonstrate(context.Background(), samples)
	require.ErrorIs(t, err, errUnexpected)
	assert.ErrorContains(t, err, "send sample s-1: unexpected answer: 503 Service Unavailable: no room")
}
