package asyncevents

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"

	"go.opentelemetry.io/otel/propagation"

	"github.com/redrive-go/redrive/asyncevents/callback"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/export"
	"github.com/redrive-go/redrive/retry"
)

// ErrRunning is returned by Run while another call of it has not ended.
var ErrRunning = errors.New("service is running already")

// Service takes events, processes them in the background and calls back. Its methods may be called from any number of
// goroutines; accepting works whether or not Run does, also in another process than the processing.
type Service struct {
	backend   *Backend
	process   Processor
	cfg       Config
	sender    *callback.Sender
	letters   *dlq.Manager
	jobs      *retry.Runner
	exports   *export.Exporter
	telemetry *telemetry
	waiters   *waiters
	rates     *rateLimiter
	depth     *queueLimiter
	raised    raisedAlarms
	running   atomic.Bool
}

// New returns a Service on a backend, or an error that names everything that is wrong with the configuration.
// Nothing runs before Run. The host closes the backend after Run has returned.
func New(backend *Backend, process Processor, cfg *Config) (*Service, error) {
	faults := []error{backend.validate(), cfg.Validate()}
	if process == nil {
		faults = append(faults, errors.New("process must not be nil"))
	}
	if cfg != nil && cfg.MaxQueued != 0 && backend != nil && backend.Backlog == nil {
		faults = append(faults, errors.New("MaxQueued needs a backend that can tell how many events wait"))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("asyncevents: %w", err)
	}
	s := &Service{backend: backend, process: process, cfg: cfg.WithDefaults(), waiters: newWaiters()}
	if err := s.build(); err != nil {
		return nil, fmt.Errorf("asyncevents: %w", err)
	}
	return s, nil
}

func (s *Service) build() (err error) {
	callbacks := callback.Config{}
	if s.cfg.Callbacks != nil {
		callbacks = *s.cfg.Callbacks
	}
	if callbacks.Logger == nil {
		callbacks.Logger = s.cfg.Logger
	}
	callbacks.Concurrency = s.cfg.CallbackConcurrency
	if s.sender, err = callback.NewSender(&callbacks); err != nil {
		return err
	}
	if s.cfg.Exports == nil {
		if s.cfg.Exports, err = defaultExports(); err != nil {
			return err
		}
	}
	if s.rates, err = newRateLimiter(s.cfg.RateLimit); err != nil {
		return err
	}
	s.depth = newQueueLimiter(s)
	b, log := s.backend, s.cfg.Logger
	s.letters = dlq.NewManager(b.DeadLetters, log)
	s.jobs, err = retry.NewRunner(b.Jobs, s.letters, Queues(), &retry.RunnerConfig{Logger: log})
	if err != nil {
		return err
	}
	if s.exports, err = export.NewExporter(b.Exports, b.DeadLetters, s.cfg.Exports, &export.Config{Logger: log}); err != nil {
		return err
	}
	s.telemetry, err = newTelemetry(s)
	return err
}

// Queues returns the names of the two queues of a Service, and of their DLQs.
func Queues() []string { return []string{EventsQueue, CallbacksQueue} }

// Topic returns the name of the topic of a queue, EventsQueue or CallbacksQueue, in the transport: where its messages are
// published, and entries of its DLQ are moved back to.
func (s *Service) Topic(queue string) string { return s.topic(queue) }

func (s *Service) topic(queue string) string { return s.cfg.TopicPrefix + queue }

// Handler returns the intake: POST of an event and GET of its status. It expects to be mounted at /v1/async/events and
// /v1/async/events/, and works below http.StripPrefix. It owns no goroutine.
func (s *Service) Handler() http.Handler {
	h := newHandler(s, handlerConfig{
		maxBody: s.cfg.MaxBodyBytes, maxBatch: s.cfg.MaxBatchBytes, referenceStatusCodes: s.cfg.ReferenceStatusCodes,
		cloudEvents:  s.cfg.CloudEvents,
		authenticate: s.cfg.Authenticate, rates: s.rates, depth: s.depth, logger: s.cfg.Logger,
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Traceparent") != "" {
			r = r.WithContext(traceContext.Extract(r.Context(), propagation.HeaderCarrier(r.Header)))
		}
		h.ServeHTTP(w, r)
	})
}

// Status returns what is known of an event. It returns ErrNotFound for an unknown correlation id.
func (s *Service) Status(ctx context.Context, correlationID string) (Record, error) {
	return s.backend.Events.Find(ctx, correlationID)
}

// Ping returns nil while store and transport can be used: readiness.
func (s *Service) Ping(ctx context.Context) error {
	if s.backend.Ping == nil {
		return nil
	}
	return s.backend.Ping(ctx)
}

// DeadLetters manages the two DLQs, named EventsQueue and CallbacksQueue.
func (s *Service) DeadLetters() *dlq.Manager { return s.letters }

// EraseDeadLetters takes what a filter means out of a DLQ, to be restored within Config.KeepErased, or for good where that is
// negative: dlq.Manager's Discard or Erase.
func (s *Service) EraseDeadLetters(ctx context.Context, queue string, filter dlq.Filter, confirm int64) (erased int64, err error) {
	if s.cfg.KeepErased < 0 {
		return s.letters.Erase(ctx, queue, filter, confirm)
	}
	return s.letters.Discard(ctx, queue, filter, confirm)
}

// RetryJobs starts and stops retry jobs and keeps their settings. The jobs run within Run, of any replica.
func (s *Service) RetryJobs() *retry.Runner { return s.jobs }

// Exports starts exports and reads them. They are written within Run, of any replica.
func (s *Service) Exports() *export.Exporter { return s.exports }

// Callbacks sends the callbacks. Its Reload changes secrets and trusted sites while the service runs. Run closes it.
func (s *Service) Callbacks() *callback.Sender { return s.sender }

// Alarms returns the alarms that are raised, as this replica saw them last: none before Run, and without Config.Alarms.
func (s *Service) Alarms() []Alarm { return s.raised.list() }

// Audit is what people did through the management.
func (s *Service) Audit() AuditLog { return s.backend.Audit }

// Backlog returns how many messages of a queue wait, are delayed and are in flight. known is false where the
// transport cannot tell.
func (s *Service) Backlog(ctx context.Context, queue string) (b Backlog, known bool, err error) {
	if s.backend.Backlog == nil {
		return Backlog{}, false, nil
	}
	b, err = s.backend.Backlog(ctx, s.topic(queue))
	return b, err == nil, err
}
