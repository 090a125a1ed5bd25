package asyncevents

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/redrive-go/redrive/retry"
)

// scopeName is the instrumentation scope of all spans and metrics.
const scopeName = "github.com/redrive-go/redrive/asyncevents"

// secondBounds are the histograms' buckets, in seconds: OpenTelemetry's default ones are made for milliseconds.
var secondBounds = []float64{
	.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600,
}

// traceContext carries W3C trace context, https://www.w3.org/TR/trace-context/.
var traceContext propagation.TraceContext

// telemetry is the spans and metrics of a Service.
type telemetry struct {
	service  *Service
	tracer   trace.Tracer
	meter    metric.Meter
	accepted metric.Int64Counter
	attempts metric.Int64Counter
	duration metric.Float64Histogram
	latency  metric.Float64Histogram
	alarms   metric.Int64Gauge
	tallies  map[string]*tally // of each queue

	// What is the same for every event is made once: an attribute set is dear to make.
	acceptSpan  []trace.SpanStartOption
	attemptSpan []trace.SpanStartOption
	labels      map[label][]metric.AddOption
	buckets     map[label][]metric.RecordOption
	gauges      map[label][]metric.ObserveOption
}

func newTelemetry(s *Service) (*telemetry, error) {
	t := &telemetry{
		service:     s,
		tracer:      s.cfg.TracerProvider.Tracer(scopeName),
		meter:       s.cfg.MeterProvider.Meter(scopeName),
		acceptSpan:  []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindProducer)},
		attemptSpan: []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindConsumer)},
		labels:      map[label][]metric.AddOption{},
		buckets:     map[label][]metric.RecordOption{},
		gauges:      map[label][]metric.ObserveOption{},
		tallies:     map[string]*tally{},
	}
	for _, queue := range Queues() {
		t.tallies[queue] = &tally{}
	}
	for l, option := range newLabels() {
		t.labels[l] = []metric.AddOption{option}
		t.buckets[l] = []metric.RecordOption{option}
		t.gauges[l] = []metric.ObserveOption{option}
	}
	bounds := metric.WithExplicitBucketBoundaries(secondBounds...)
	var errs [5]error
	t.accepted, errs[0] = t.meter.Int64Counter("redrive.events.accepted",
		metric.WithDescription("Events at intake, by outcome."))
	t.attempts, errs[1] = t.meter.Int64Counter("redrive.attempts",
		metric.WithDescription("Attempts that ended, by queue and outcome."))
	t.duration, errs[2] = t.meter.Float64Histogram("redrive.attempt.duration", metric.WithUnit("s"), bounds,
		metric.WithDescription("How long an attempt took, by queue: a run of the processor, or a callback."))
	t.latency, errs[3] = t.meter.Float64Histogram("redrive.queue.latency", metric.WithUnit("s"), bounds,
		metric.WithDescription("Time from acceptance to the first attempt, by queue."))
	t.alarms, errs[4] = t.meter.Int64Gauge("redrive.dlq.alarm",
		metric.WithDescription("Whether an alarm of a DLQ is raised, 1 or 0, by kind: depth, age, growth, unknown."))
	return t, errors.Join(errs[:]...)
}

// label names a measurement: a queue, an outcome, or both.
type label struct{ queue, outcome string }

// Outcomes of intake and of attempts, besides the final statuses.
const (
	outcomeAccepted     = "accepted"
	outcomeReplayed     = "replayed"
	outcomeRefused      = "refused"
	outcomeFailed       = "failed"
	outcomeRetried      = "retried"
	outcomeDeadLettered = "dead_lettered"
	outcomePostponed    = "postponed"
	outcomeNotStored    = "not_stored"
)

// newLabels makes the attributes of every measurement there can be.
func newLabels() map[label]metric.MeasurementOption {
	labels := map[label]metric.MeasurementOption{}
	add := func(l label, attributes ...attribute.KeyValue) {
		labels[l] = metric.WithAttributeSet(attribute.NewSet(attributes...))
	}
	for _, outcome := range []string{outcomeAccepted, outcomeReplayed, outcomeRefused, outcomeFailed} {
		add(label{outcome: outcome}, attribute.String("outcome", outcome))
	}
	for _, queue := range Queues() {
		add(label{queue: queue}, attribute.String("queue", queue))
		for _, outcome := range []string{
			outcomeRetried, outcomeDeadLettered, outcomeNotStored, outcomePostponed,
			string(StatusProcessed), string(StatusError), string(CallbackDelivered),
		} {
			add(label{queue, outcome}, attribute.String("queue", queue), attribute.String("outcome", outcome))
		}
	}
	return labels
}

func (t *telemetry) startAccept(ctx context.Context) (context.Context, trace.Span) {
	return t.tracer.Start(ctx, "redrive accept", t.acceptSpan...)
}

func (t *telemetry) endAccept(ctx context.Context, span trace.Span, accepted Accepted, err error) {
	outcome := outcomeAccepted
	switch {
	case err != nil:
		outcome = outcomeOfRefusal(err)
	case accepted.Replayed:
		outcome = outcomeReplayed
	}
	t.cameIn(ctx, outcome, 1)
	if span.IsRecording() {
		span.SetAttributes(attribute.String("redrive.correlation_id", accepted.CorrelationID),
			attribute.String("redrive.outcome", outcome))
		if outcome == outcomeFailed {
			span.SetStatus(codes.Error, "not stored")
		}
	}
	span.End()
}

// acceptedAll counts the events of a batch.
func (t *telemetry) acceptedAll(ctx context.Context, results []Result) {
	counts := map[string]int64{}
	for i := range results {
		switch {
		case results[i].Problem != nil:
			counts[outcomeRefused]++
		case results[i].Replayed:
			counts[outcomeReplayed]++
		default:
			counts[outcomeAccepted]++
		}
	}
	for outcome, n := range counts {
		t.cameIn(ctx, outcome, n)
	}
}

func (t *telemetry) cameIn(ctx context.Context, outcome string, n int64) {
	t.accepted.Add(ctx, n, t.labels[label{outcome: outcome}]...)
	if outcome == outcomeAccepted {
		t.tallies[EventsQueue].accepted.Add(n)
	}
}

func outcomeOfRefusal(err error) string {
	var problem *Problem
	if errors.As(err, &problem) {
		return outcomeRefused
	}
	return outcomeFailed
}

// startAttempt begins a new trace, linked to what published the message: a redrive may come months later.
func (t *telemetry) startAttempt(msg *message.Message, queue string, d retry.Delivery) (context.Context, trace.Span) {
	ctx, options := msg.Context(), t.attemptSpan
	if msg.Metadata.Get("traceparent") != "" {
		ctx = traceContext.Extract(ctx, propagation.MapCarrier(msg.Metadata))
		origin := trace.Link{SpanContext: trace.SpanContextFromContext(ctx)}
		options = append(options[:1:1], trace.WithNewRoot(), trace.WithLinks(origin))
	}
	ctx, span := t.tracer.Start(ctx, "redrive "+queue, options...)
	if span.IsRecording() {
		span.SetAttributes(attribute.String("redrive.correlation_id", d.CorrelationID),
			attribute.Int("redrive.attempt", d.Attempt), attribute.Int("redrive.redrives", d.Redrives))
	}
	if d.Attempt == 1 && d.Postponed == 0 && d.Redrives == 0 && !d.AcceptedAt.IsZero() {
		t.latency.Record(ctx, time.Since(d.AcceptedAt).Seconds(), t.buckets[label{queue: queue}]...)
	}
	return ctx, span
}

func (t *telemetry) endAttempt(
	ctx context.Context, span trace.Span, queue string, started time.Time, s *Settlement, err error, stored bool,
) {
	outcome := outcomeOf(s, stored)
	t.tallies[queue].attempted(outcome)
	t.attempts.Add(ctx, 1, t.labels[label{queue, outcome}]...)
	t.duration.Record(ctx, time.Since(started).Seconds(), t.buckets[label{queue, outcome}]...)
	if err != nil && outcome != outcomePostponed {
		span.SetStatus(codes.Error, outcome)
	}
	if span.IsRecording() {
		span.SetAttributes(attribute.String("redrive.outcome", outcome))
	}
	span.End()
}

// outcomeOf names how an attempt ended, for metrics.
func outcomeOf(s *Settlement, stored bool) string {
	switch {
	case !stored:
		return outcomeNotStored
	case s.Again != nil && s.Again.Postponed:
		return outcomePostponed
	case s.Again != nil:
		return outcomeRetried
	case s.DeadLetter != nil:
		return outcomeDeadLettered
	case s.Queue == CallbacksQueue:
		return string(s.Callback)
	}
	return string(s.Status)
}

// alarm measures whether an alarm is raised.
func (t *telemetry) alarm(ctx context.Context, queue string, kind AlarmKind, raised bool) {
	value := int64(0)
	if raised {
		value = 1
	}
	t.alarms.Record(ctx, value, metric.WithAttributes(attribute.String("queue", queue), attribute.String("kind", string(kind))))
}

// observe registers what is read from the store when metrics are collected, and returns how to end that.
func (t *telemetry) observe() (stop func(), err error) {
	depth, err1 := t.meter.Int64ObservableGauge("redrive.dlq.depth",
		metric.WithDescription("Entries in a DLQ."))
	age, err2 := t.meter.Float64ObservableGauge("redrive.dlq.oldest_age", metric.WithUnit("s"),
		metric.WithDescription("Age of the oldest entry in a DLQ; 0 when it is empty."))
	backlog, err3 := t.meter.Int64ObservableGauge("redrive.backlog",
		metric.WithDescription("Messages in a queue, by state: ready, delayed, in_flight."))
	moved, err4 := t.meter.Int64ObservableGauge("redrive.retry_job.moved",
		metric.WithDescription("Entries that the latest retry job of a DLQ has moved."))
	remaining, err5 := t.meter.Int64ObservableGauge("redrive.retry_job.remaining",
		metric.WithDescription("Entries that the running retry job of a DLQ has still to move; 0 when none runs."))
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return nil, err
	}
	registration, err := t.meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		var errs []error
		for _, queue := range Queues() {
			errs = append(errs,
				t.observeDLQ(ctx, o, queue, depth, age),
				t.observeBacklog(ctx, o, queue, backlog),
				t.observeJob(ctx, o, queue, moved, remaining))
		}
		return errors.Join(errs...)
	}, depth, age, backlog, moved, remaining)
	if err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return func() { _ = registration.Unregister() }, nil // it only fails for a registration that is gone
}

func (t *telemetry) observeDLQ(
	ctx context.Context, o metric.Observer, queue string, depth metric.Int64Observable, age metric.Float64Observable,
) error {
	stats, err := t.service.letters.Stat(ctx, queue)
	if err != nil {
		return err
	}
	attributes := t.gauges[label{queue: queue}]
	o.ObserveInt64(depth, stats.Count, attributes...)
	seconds := 0.0
	if !stats.OldestAt.IsZero() {
		seconds = time.Since(stats.OldestAt).Seconds()
	}
	o.ObserveFloat64(age, seconds, attributes...)
	return nil
}

func (t *telemetry) observeBacklog(ctx context.Context, o metric.Observer, queue string, gauge metric.Int64Observable) error {
	b, known, err := t.service.Backlog(ctx, queue)
	if err != nil || !known {
		return err
	}
	for state, n := range map[string]int64{"ready": b.Ready, "delayed": b.Delayed, "in_flight": b.InFlight} {
		o.ObserveInt64(gauge, n, metric.WithAttributes(attribute.String("queue", queue), attribute.String("state", state)))
	}
	return nil
}

func (t *telemetry) observeJob(ctx context.Context, o metric.Observer, queue string, moved, remaining metric.Int64Observable) error {
	job, err := t.service.jobs.Job(ctx, queue)
	if errors.Is(err, retry.ErrNoJob) {
		return nil
	}
	if err != nil {
		return err
	}
	attributes := t.gauges[label{queue: queue}]
	o.ObserveInt64(moved, job.Moved, attributes...)
	left := job.Remaining()
	if job.State.Ended() {
		left = 0
	}
	o.ObserveInt64(remaining, left, attributes...)
	return nil
}

// inject writes the trace context into a message's metadata.
func inject(ctx context.Context, metadata message.Metadata) {
	traceContext.Inject(ctx, propagation.MapCarrier(metadata))
}

// traceHeaders are the trace context as HTTP headers.
func traceHeaders(ctx context.Context) map[string]string {
	headers := map[string]string{}
	traceContext.Inject(ctx, propagation.MapCarrier(headers))
	return headers
}
