package asyncevents_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/memory"
	"github.com/redrive-go/redrive/internal/soak"
	"github.com/redrive-go/redrive/retry"
)

// watched is a store that tells of the metadata of each message.
type watched struct {
	asyncevents.Store
	saw func(message.Metadata)
}

func (w watched) Accept(ctx context.Context, a asyncevents.Acceptance) (asyncevents.Receipt, error) {
	w.saw(a.Message.Metadata)
	return w.Store.Accept(ctx, a)
}

// Nothing that a client sends becomes a message's metadata, which steers the processing, but the trace that it is part of.
func TestClientsReachNoMetadata(t *testing.T) {
	t.Parallel()
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	var seen message.Metadata
	b := memory.New()
	b.Events = watched{b.Events, func(m message.Metadata) { seen = maps.Clone(m) }}
	s, err := asyncevents.New(b, working(&starts{}, 0), quick(t, nil))
	require.NoError(t, err)
	r := httptest.NewRequest(http.MethodPost, "/v1/async/events",
		strings.NewReader(`{"redrive_history":"x","metadata":{"redrive_history":"x"},"_watermill_delayed_for":"1h"}`))
	r.Header.Set("Content-Type", "application/json")
	for _, name := range []string{
		retry.MetadataHistory, retry.MetadataAcceptedAt, "_watermill_delayed_until", "_watermill_delayed_for", "reason_poisoned",
		"Redrive-History", "X-Correlation-ID", "Correlation_id", "Baggage", "X-Anything", "Cookie", "Authorization",
	} {
		r.Header[name] = []string{"hostile"}
	}
	r.Header.Set("Traceparent", trace)
	r.Header.Set("Tracestate", "vendor=1")
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	require.Equal(t, http.StatusAccepted, w.Code, w.Body)
	assert.ElementsMatch(t, []string{retry.MetadataAcceptedAt, "traceparent", "tracestate"}, slices.Collect(maps.Keys(seen)))
	assert.Contains(t, seen["traceparent"], trace[3:35])
	for name, value := range seen {
		assert.NotContains(t, value, "hostile", name)
	}
}

// endless is a body of so many bytes that are made as they are read.
type endless struct{ left, read int64 }

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), e.left))
	for i := range n {
		p[i] = '['
	}
	e.left -= int64(n)
	e.read += int64(n)
	return n, nil
}

// However much clients send, no more of it is read than one body may have: so memory is bounded by the limit times the connections.
func TestHostileBodiesAreNotRead(t *testing.T) {
	t.Parallel()
	s, err := asyncevents.New(memory.New(), working(&starts{}, 0), quick(t, nil))
	require.NoError(t, err)
	handler, size := s.Handler(), soak.Long(int64(64<<20), 1<<30)
	for path, limit := range map[string]int64{
		"/v1/async/events": asyncevents.DefaultMaxBodyBytes, "/v1/async/events/batch": asyncevents.DefaultMaxBatchBytes,
	} {
		for _, announced := range []int64{-1, size} {
			body := &endless{left: size}
			r := httptest.NewRequest(http.MethodPost, path, body)
			r.ContentLength = announced
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			assert.Equal(t, http.StatusRequestEntityTooLarge, w.Code, fmt.Sprint(path, announced))
			assert.LessOrEqual(t, body.read, limit+1, path)
			if announced > 0 {
				assert.Zero(t, body.read, path)
			}
		}
	}
}
