package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/asyncevents/callback"
	"github.com/redrive-go/redrive/export"
)

// Limits of the HTTP server. There is none for answers: a download takes what it takes. readTimeout is longer than a
// request for a status may wait, because a connection that runs into it ends the request's context.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 90 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 64 << 10
)

// httpGrace is how long requests may take to end when the server stops.
const httpGrace = 5 * time.Second

// server is everything that runs.
type server struct {
	options  options
	log      *slog.Logger
	listener net.Listener
	service  *asyncevents.Service
	http     *http.Server
	receiver *receiver // nil without samples
	closers  []func() error
}

// newServer opens everything, or nothing. Nothing is served before run.
func newServer(ctx context.Context, o options, log *slog.Logger) (*server, error) {
	s := &server{options: o, log: log}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// open begins with the port: whoever starts a second server by mistake should not touch the first one's files.
func (s *server) open(ctx context.Context) (err error) {
	if s.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", s.options.addr); err != nil {
		return err
	}
	s.closeLater(func() error { // the HTTP server has closed it, unless it never ran
		if err := s.listener.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	backend, err := openBackend(ctx, s.options, s.log)
	if err != nil {
		return err
	}
	s.closeLater(backend.Close)
	metrics, err := newMetrics()
	if err != nil {
		return err
	}
	s.closeLater(metrics.close)
	if s.service, err = s.newService(ctx, backend, metrics); err != nil {
		return err
	}
	handler, err := newHandler(s.options, s.service, metrics.handler, s.log)
	if err != nil {
		return err
	}
	s.http = newHTTPServer(handler, s.log)
	return nil
}

func (s *server) newService(ctx context.Context, backend *asyncevents.Backend, m *metrics) (*asyncevents.Service, error) {
	exports, err := export.NewFolder(s.options.exports)
	if err != nil {
		return nil, err
	}
	s.closeLater(exports.Close)
	process, err := s.processor()
	if err != nil {
		return nil, err
	}
	callbacks, err := s.callbacks(ctx)
	if err != nil {
		return nil, err
	}
	return asyncevents.New(backend, process, &asyncevents.Config{
		Validator:            newValidator(s.options.anyAction),
		Authenticate:         newAuthenticator(s.options),
		ReferenceStatusCodes: s.options.referenceStatus,
		Concurrency:          s.options.concurrency,
		Lease:                s.options.lease,
		Policy:               s.options.policy(),
		CallbackPolicy:       s.options.policy(),
		Callbacks:            callbacks,
		Exports:              exports,
		Logger:               s.log,
		MeterProvider:        m.provider,
	})
}

// processor is the loyalty program, the trouble that events ask for, and the ledger around both.
func (s *server) processor() (asyncevents.Processor, error) {
	process := newSimulator(processLoyalty).process
	if s.options.ledger == "" {
		return process, nil
	}
	l, err := openLedger(s.options.ledger, s.log)
	if err != nil {
		return nil, err
	}
	s.closeLater(l.close)
	return l.record(process), nil
}

// callbacks says how callbacks are sent; with samples also to the sample receiver, which it starts.
func (s *server) callbacks(ctx context.Context) (*callback.Config, error) {
	cfg := &callback.Config{
		Secrets:      s.options.secrets(),
		TrustedSites: s.options.trustedSites,
		AllowPrivate: s.options.allowPrivate,
	}
	if !s.options.samples {
		return cfg, nil
	}
	var err error
	if s.receiver, err = newReceiver(ctx, cfg.Secrets[0], s.log); err != nil {
		return nil, err
	}
	s.closeLater(s.receiver.close)
	cfg.Addresses = map[string]netip.AddrPort{receiverHost: s.receiver.address()}
	cfg.RootCAs = s.receiver.roots()
	return cfg, nil
}

// newHTTPServer returns a server with limits; what it has to say goes to the log.
func newHTTPServer(handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// run serves until ctx ends, then stops in order: HTTP takes no more, the processors finish, everything is closed.
func (s *server) run(ctx context.Context, stdout io.Writer) error {
	group, ctx := errgroup.WithContext(ctx)
	work, endWork := context.WithCancel(context.WithoutCancel(ctx))
	group.Go(func() error {
		defer endWork()
		return s.serve(ctx)
	})
	group.Go(func() error { return s.service.Run(work) })
	group.Go(func() error { return s.welcome(ctx, stdout) })
	return errors.Join(group.Wait(), s.close())
}

// serve answers requests until ctx ends, and then lets those finish that run.
func (s *server) serve(ctx context.Context) error {
	ended := make(chan error, 1)
	go func() { ended <- s.http.Serve(s.listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve %s: %w", s.options.addr, err)
	case <-ctx.Done():
	}
	s.log.Info("stopping; a second signal ends the process at once")
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), httpGrace)
	defer cancel()
	if err := s.http.Shutdown(grace); err != nil {
		s.log.Warn("some requests took too long and are cut off", "error", err)
		_ = s.http.Close()
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", s.options.addr, err)
	}
	return nil
}

// welcome sends the samples and prints the report. Samples that go wrong are worth a word, not the end.
func (s *server) welcome(ctx context.Context, stdout io.Writer) error {
	r := report{options: s.options, base: s.baseURL()}
	if s.options.samples && (s.options.intakeToken != "" || !s.options.exposed()) {
		r.samples = s.sendSamples(ctx)
	}
	select {
	case <-ctx.Done(): // stopped before there was anything to tell
		return nil
	default:
		return r.print(stdout)
	}
}

// sendSamples returns how the samples stand after a while.
func (s *server) sendSamples(ctx context.Context) []sample {
	transport := &http.Transport{} // without a proxy, whatever the environment says
	defer transport.CloseIdleConnections()
	c := &client{http: &http.Client{Transport: transport}, base: s.baseURL(), token: s.options.intakeToken}
	samples, err := newSamples(time.Now().UTC().Format("sample-20060102T150405"))
	if err == nil {
		samples, err = c.demonstrate(ctx, samples)
	}
	if err != nil && ctx.Err() == nil {
		s.log.Warn("the sample events went wrong", "error", err)
	}
	return samples
}

// baseURL is where this machine reaches the server.
func (s *server) baseURL() string {
	address := s.listener.Addr().(*net.TCPAddr).AddrPort()
	if !address.Addr().IsUnspecified() {
		return "http://" + netip.AddrPortFrom(address.Addr().Unmap(), address.Port()).String()
	}
	return fmt.Sprintf("http://127.0.0.1:%d", address.Port())
}

func (s *server) closeLater(close func() error) { s.closers = append(s.closers, close) }

// close releases everything, the last opened first.
func (s *server) close() error {
	var errs []error
	for _, release := range slices.Backward(s.closers) {
		errs = append(errs, release())
	}
	s.closers = nil
	return errors.Join(errs...)
}
