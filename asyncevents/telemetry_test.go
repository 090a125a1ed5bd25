package asyncevents_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/asyncevents/callback"
	"github.com/redrive-go/redrive/backends/memory"
	"github.com/redrive-go/redrive/retry"
)

// TestTrace follows a client's trace from the request through the processor to the callback.
func TestTrace(t *testing.T) {
	t.Parallel()
	const clientTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	called := make(chan string, 1)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		called <- r.Header.Get("Traceparent")
	}))
	defer receiver.Close()
	spans := tracetest.NewSpanRecorder()
	s, stop := run(t, memory.New(), func(ctx context.Context, _ asyncevents.Event) (any, error) {
		assert.True(t, trace.SpanContextFromContext(ctx).IsValid(), "the processor has a span to hang its own on")
		return nil, nil
	}, func(c *asyncevents.Config) {
		c.TracerProvider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
		c.Callbacks = &callback.Config{AllowPrivate: true}
	})
	request := httptest.NewRequest(http.MethodPost, "/v1/async/events",
		strings.NewReader(`{"callback_url":"`+receiver.URL+`"}`))
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Traceparent", "00-"+clientTrace+"-00f067aa0ba902b7-01")
	answer := httptest.NewRecorder()
	s.Handler().ServeHTTP(answer, request)
	require.Equal(t, http.StatusAccepted, answer.Code)
	traceparent := <-called
	require.NoError(t, stop())

	byName := map[string]sdktrace.ReadOnlySpan{}
	for _, span := range spans.Ended() {
		byName[span.Name()] = span
	}
	require.Len(t, byName, 3)
	accepted, processed, calledBack := byName["redrive accept"], byName["redrive events"], byName["redrive callbacks"]
	assert.Equal(t, clientTrace, accepted.SpanContext().TraceID().String(), "intake goes on with the client's trace")
	require.Len(t, processed.Links(), 1)
	assert.Equal(t, accepted.SpanContext().SpanID(), processed.Links()[0].SpanContext.SpanID())
	assert.NotEqual(t, clientTrace, processed.SpanContext().TraceID().String(), "a link, not a child: a redrive may come later")
	require.Len(t, calledBack.Links(), 1)
	assert.Equal(t, processed.SpanContext().SpanID(), calledBack.Links()[0].SpanContext.SpanID())
	assert.Contains(t, traceparent, calledBack.SpanContext().TraceID().String(), "the receiver can go on with the trace")
}

// TestTraceWithoutProvider hands a client's trace on although nobody records it here.
func TestTraceWithoutProvider(t *testing.T) {
	t.Parallel()
	seen := make(chan trace.SpanContext, 1)
	s, _ := run(t, memory.New(), func(ctx context.Context, _ asyncevents.Event) (any, error) {
		seen <- trace.SpanContextFromContext(ctx)
		return nil, nil
	}, nil)
	request := httptest.NewRequest(http.MethodPost, "/v1/async/events", strings.NewReader(`{}`))
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	s.Handler().ServeHTTP(httptest.NewRecorder(), request)
	assert.Equal(t, "4bf92f3577b34da6a3ce929d0e0e4736", (<-seen).TraceID().String())
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	reader := sdkmetric.NewManualReader()
	s, _ := run(t, memory.New(), func(_ context.Context, e asyncevents.Event) (any, error) {
		if e.Action == "fail" {
			return nil, retry.Permanent(context.DeadlineExceeded)
		}
		return nil, nil
	}, func(c *asyncevents.Config) {
		c.MeterProvider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	})
	awaitStatus(t, s, accept(t, s, `{}`), asyncevents.StatusProcessed)
	awaitStatus(t, s, accept(t, s, `{"action":"fail"}`), asyncevents.StatusFailed)
	_, err := s.Accept(t.Context(), asyncevents.Submission{Body: []byte(`no`)})
	require.Error(t, err)

	points := map[string]float64{}
	require.Eventually(t, func() bool { // an outcome is counted just after it is stored
		points = collect(t, reader)
		return points["redrive.attempts{events,dead_lettered}"] == 1
	}, 5*time.Second, 5*time.Millisecond)
	for name, want := range map[string]float64{
		"redrive.events.accepted{accepted}":          2,
		"redrive.events.accepted{refused}":           1,
		"redrive.attempts{events,processed}":         1,
		"redrive.attempt.duration{events,processed}": 1,
		"redrive.queue.latency{events}":              2,
		"redrive.dlq.depth{events}":                  1,
		"redrive.dlq.depth{callbacks}":               0,
		"redrive.backlog{events,ready}":              0,
	} {
		got, found := points[name]
		assert.True(t, found, name)
		assert.InDelta(t, want, got, 0, name)
	}
	assert.Contains(t, points, "redrive.dlq.oldest_age{events}")
}

// collect reads every measurement: values, and how many a histogram counts, by name and attributes.
func collect(t *testing.T, reader sdkmetric.Reader) map[string]float64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &all))
	points := map[string]float64{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					points[pointName(m.Name, p.Attributes)] = float64(p.Value)
				}
			case metricdata.Gauge[int64]:
				for _, p := range data.DataPoints {
					points[pointName(m.Name, p.Attributes)] = float64(p.Value)
				}
			case metricdata.Gauge[float64]:
				for _, p := range data.DataPoints {
					points[pointName(m.Name, p.Attributes)] = p.Value
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					points[pointName(m.Name, p.Attributes)] = float64(p.Count)
				}
			}
		}
	}
	return points
}

// pointName is a metric's name with its attributes: the queue first.
func pointName(name string, attributes attribute.Set) string {
	var queue, rest string
	for _, a := range attributes.ToSlice() {
		if a.Key == "queue" {
			queue = a.Value.AsString()
		} else {
			rest = a.Value.AsString()
		}
	}
	return name + "{" + strings.Trim(queue+","+rest, ",") + "}"
}
