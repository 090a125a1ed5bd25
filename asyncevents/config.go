package asyncevents

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/redrive-go/redrive/asyncevents/callback"
	"github.com/redrive-go/redrive/export"
	"github.com/redrive-go/redrive/retry"
)

// Defaults of Config.
const (
	DefaultMaxBodyBytes        = 256 << 10
	DefaultMaxBatchBytes       = 4 << 20
	DefaultCallbackConcurrency = callback.DefaultConcurrency
	DefaultTopicPrefix         = "redrive."
	DefaultKeepErased          = 24 * time.Hour
	DefaultKeepStatuses        = 30 * 24 * time.Hour
)

// LimitMaxBodyBytes is the largest MaxBodyBytes and MaxBatchBytes.
const LimitMaxBodyBytes = 64 << 20

// Config configures a Service. Nil and the zero value mean the documented defaults.
type Config struct {
	// Validator decides at intake whether an event is taken. RequireFields, AllowedActions and All are ready-made ones. Defaults
	// to none: every JSON object is taken.
	Validator Validator
	// Authenticate lets a request to Handler pass and names its client, or refuses it with an error, answered with 401. BearerToken
	// is a ready-made one. Every client may ask for the status of every event whose correlation id it knows. Defaults to none: the
	// host's own middleware decides, and no client has a name.
	Authenticate Authenticator
	// MaxBodyBytes is the size of a body at most; a larger one is answered with 413. At most LimitMaxBodyBytes.
	// Defaults to 256 KiB.
	MaxBodyBytes int64
	// MaxBatchBytes is the size of a batch at most, of which each event may have MaxBodyBytes; a larger one is answered with 413.
	// At most LimitMaxBodyBytes. Defaults to 4 MiB.
	MaxBatchBytes int64
	// RateLimit, when not nil, bounds how many events each client may hand in through Handler; more are answered with 429. Defaults to
	// none.
	RateLimit *RateLimit
	// MaxQueued is with how many events on their way (waiting, delayed and in flight) Handler takes no more, and answers with 429.
	// They are counted once a second, so a few more may come in. It needs a backend with a Backlog. Defaults to no limit.
	MaxQueued int64
	// CloudEvents has Handler take CloudEvents 1.0 besides, over HTTP in binary, structured and batched content mode: see
	// Event.CloudEvent. Their source and id name them, so that they can be sent again safely. Defaults to false.
	CloudEvents bool
	// ReferenceStatusCodes answers 200 where Handler says 202, and 400 where it says 404, for clients that were
	// written for the reference API. Defaults to false.
	ReferenceStatusCodes bool

	// Concurrency is how many events are processed at once. Defaults to 100.
	Concurrency int
	// Policy says how often an event is tried and how long it waits in between. Defaults to retry.Policy's defaults: 5
	// attempts.
	Policy retry.Policy
	// AttemptTimeout is when the context of an attempt ends. A processor that goes on regardless keeps its place but
	// loses the event: it is tried again within a Lease. Defaults to 1 minute.
	AttemptTimeout time.Duration
	// Lease is how long a replica that died keeps its events. Defaults to 30 s, at least 100 ms.
	Lease time.Duration
	// ShutdownTimeout is how long Run waits for running processors after its context ended. Defaults to 30 s.
	ShutdownTimeout time.Duration
	// PollInterval is how often the transport is asked for messages that no notification announced. Defaults to 1 s.
	PollInterval time.Duration

	// Callbacks configures how callbacks are sent: secrets, trusted sites, limits. Service.Callbacks reloads it. Defaults to callback.Config's
	// defaults: unsigned, to every public https host.
	Callbacks *callback.Config
	// CallbackConcurrency is how many callbacks are sent at once, most of which may wait for slow hosts: see
	// callback.Config.Concurrency. Defaults to 500.
	CallbackConcurrency int
	// CallbackPolicy says how often a callback is tried and how long it waits in between. Defaults to retry.Policy's
	// defaults: 5 attempts.
	CallbackPolicy retry.Policy

	// Exports is where export files go. Defaults to the folder redrive/exports below the user's cache folder.
	Exports export.Storage
	// KeepErased is how long entries that were erased from a DLQ through the management can still be restored; then they are gone for
	// good. Negative means that they are at once. Defaults to 24 h.
	KeepErased time.Duration
	// KeepStatuses is how long the status of an event is kept after it was processed or refused and its callback is through; then
	// its correlation id and Idempotency-Key are forgotten, and the same sent again is a new event. It has to be longer than clients
	// send again, and than a broker may deliver again. What waits, and what stands in a DLQ or was erased there and can be
	// restored, keeps its status. Run removes the others within an hour or two, by looking through all of them slowly. The original
	// of an entry that was edited is kept for as long, and its event's status until then. Negative keeps all of them for good.
	// Defaults to DefaultKeepStatuses, 30 days.
	KeepStatuses time.Duration
	// Alarms, when not nil, watches the DLQs while Run does. Defaults to none.
	Alarms *Alarms
	// TopicPrefix begins the names of the two topics, so that services can share a transport. Defaults to "redrive.".
	TopicPrefix string

	// Logger gets what the service has to say, never payloads or secrets. Defaults to slog.Default.
	Logger *slog.Logger
	// TracerProvider makes the spans of a request, its attempts and its callbacks. Defaults to none.
	TracerProvider trace.TracerProvider
	// MeterProvider makes the metrics. Defaults to none.
	MeterProvider metric.MeterProvider
}

// WithDefaults returns a copy with every zero field set to its default, but for Exports, which has to be opened.
func (c *Config) WithDefaults() Config {
	var out Config
	if c != nil {
		out = *c
	}
	sub := out.subscriber(out.Concurrency, out.Policy).WithDefaults()
	out.Concurrency, out.Policy, out.Lease = sub.Concurrency, sub.Policy, sub.Lease
	out.AttemptTimeout, out.ShutdownTimeout, out.PollInterval = sub.AttemptTimeout, sub.CloseTimeout, sub.PollInterval
	out.CallbackPolicy = out.CallbackPolicy.WithDefaults()
	if out.MaxBodyBytes == 0 {
		out.MaxBodyBytes = DefaultMaxBodyBytes
	}
	if out.MaxBatchBytes == 0 {
		out.MaxBatchBytes = DefaultMaxBatchBytes
	}
	if out.CallbackConcurrency == 0 {
		out.CallbackConcurrency = DefaultCallbackConcurrency
	}
	if out.KeepErased == 0 {
		out.KeepErased = DefaultKeepErased
	}
	if out.KeepStatuses == 0 {
		out.KeepStatuses = DefaultKeepStatuses
	}
	if out.TopicPrefix == "" {
		out.TopicPrefix = DefaultTopicPrefix
	}
	if out.Logger == nil {
		out.Logger = slog.Default()
	}
	if out.TracerProvider == nil {
		out.TracerProvider = tracenoop.NewTracerProvider()
	}
	if out.MeterProvider == nil {
		out.MeterProvider = metricnoop.NewMeterProvider()
	}
	return out
}

// subscriber is the configuration of the consumer of one queue.
func (c *Config) subscriber(concurrency int, policy retry.Policy) SubscriberConfig {
	return SubscriberConfig{
		Concurrency: concurrency, Policy: policy, Lease: c.Lease, AttemptTimeout: c.AttemptTimeout,
		CloseTimeout: c.ShutdownTimeout, PollInterval: c.PollInterval,
	}
}

// Validate returns every fault of the configuration with its defaults applied, joined, each naming its field and limit.
func (c *Config) Validate() error {
	d := c.WithDefaults()
	var faults []error
	if d.MaxBodyBytes < 1 || d.MaxBodyBytes > LimitMaxBodyBytes {
		faults = append(faults, fmt.Errorf("MaxBodyBytes must be 1 to %d, not %d", LimitMaxBodyBytes, d.MaxBodyBytes))
	}
	if d.MaxBatchBytes < 1 || d.MaxBatchBytes > LimitMaxBodyBytes {
		faults = append(faults, fmt.Errorf("MaxBatchBytes must be 1 to %d, not %d", LimitMaxBodyBytes, d.MaxBatchBytes))
	}
	if d.MaxQueued < 0 {
		faults = append(faults, fmt.Errorf("MaxQueued must not be negative, not %d", d.MaxQueued))
	}
	if err := d.RateLimit.validate(); err != nil {
		faults = append(faults, err)
	}
	if d.CallbackConcurrency < 1 {
		faults = append(faults, fmt.Errorf("CallbackConcurrency must be at least 1, not %d", d.CallbackConcurrency))
	}
	if len(d.TopicPrefix) > maxTopicPrefix {
		faults = append(faults, fmt.Errorf("TopicPrefix must be at most %d bytes, not %d", maxTopicPrefix, len(d.TopicPrefix)))
	}
	if err := d.CallbackPolicy.Validate(); err != nil {
		faults = append(faults, fmt.Errorf("CallbackPolicy: %w", err))
	}
	if err := d.Alarms.validate(); err != nil {
		faults = append(faults, err)
	}
	if err := d.Callbacks.Validate(); err != nil {
		faults = append(faults, fmt.Errorf("Callbacks: %w", err))
	}
	if err := d.Policy.Validate(); err != nil {
		faults = append(faults, fmt.Errorf("Policy: %w", err))
	}
	if d.ShutdownTimeout < 0 {
		faults = append(faults, fmt.Errorf("ShutdownTimeout must not be negative, not %s", d.ShutdownTimeout))
	}
	sub := d.subscriber(d.Concurrency, retry.Policy{})
	sub.CloseTimeout = 0 // it has another name here
	return errors.Join(append(faults, sub.Validate())...)
}

// maxTopicPrefix leaves room for the queue's name within the 63 bytes that some transports allow.
const maxTopicPrefix = 48

// defaultExports opens the folder for export files that is used where the host names none.
func defaultExports() (export.Storage, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("no folder for exports: %w; set Exports", err)
	}
	return export.NewFolder(filepath.Join(cache, "redrive", "exports"))
}
