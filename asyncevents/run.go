package asyncevents

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"golang.org/x/sync/errgroup"

	"github.com/redrive-go/redrive/retry"
)

// settlingTime is how much longer than ShutdownTimeout a shutdown may take, to store what the processors brought.
const settlingTime = 3 * time.Second

// errHeld is why Run ends before the transport has taken back what it had delivered.
var errHeld = errors.New("the transport did not take back in time what it had delivered")

// errStopped is why Run ends when the transport stopped delivering on its own.
var errStopped = errors.New("the transport stopped delivering")

// Run processes events, sends callbacks, does the work of retry jobs and exports, purges what was erased, forgets what is
// long done, watches for alarms, and notes the traffic, until ctx ends. Then it takes no more events, waits up to ShutdownTimeout for running
// processors, and stores their outcomes. It returns nil after a clean drain; an error when processors had to be left behind (their
// events are tried again) or when it could not go on.
// It returns ErrRunning while another call runs. A store that cannot be reached is waited for.
func (s *Service) Run(ctx context.Context) error {
	if !s.running.CompareAndSwap(false, true) {
		return fmt.Errorf("asyncevents: run: %w", ErrRunning)
	}
	defer s.running.Store(false)
	d, err := s.newDelivery()
	if err != nil {
		return fmt.Errorf("asyncevents: run: %w", err)
	}
	stopObserving, err := s.telemetry.observe()
	if err != nil {
		return fmt.Errorf("asyncevents: run: %w", err)
	}
	defer stopObserving()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.jobs.Run(ctx) })
	group.Go(func() error { return s.exports.Run(ctx) })
	group.Go(func() error { return s.purge(ctx) })
	group.Go(func() error { return s.forget(ctx) })
	group.Go(func() error { return s.watch(ctx) })
	group.Go(func() error { return s.noteTraffic(ctx) })
	group.Go(func() error { return d.run(ctx) })
	if err := errors.Join(group.Wait(), s.sender.Close()); err != nil {
		return fmt.Errorf("asyncevents: run: %w", err)
	}
	return nil
}

// delivery is what brings messages to the stages.
type delivery struct {
	router      *message.Router
	subscribers []message.Subscriber
	patience    time.Duration // of a shutdown
}

// run runs the router until ctx ends, and then closes it. The router itself gets a context that does not end: it would cancel the
// handlers with it.
func (d *delivery) run(ctx context.Context) error {
	ended := make(chan error, 1)
	go func() { ended <- d.router.Run(context.WithoutCancel(ctx)) }()
	select {
	case err := <-ended:
		return errors.Join(errStopped, err, d.close(d.patience))
	case <-d.router.Running(): // a router that is closed before it runs would never return
	}
	select {
	case err := <-ended: // all of its subscriptions have ended: a silent stop, unless somebody asked for it
		return errors.Join(errStopped, err, d.close(d.patience))
	case <-ctx.Done():
	}
	asked := time.Now()
	if err := d.router.Close(); err != nil {
		return fmt.Errorf("processors did not end in time, their events are tried again: %w", errors.Join(err, d.close(0)))
	}
	return errors.Join(<-ended, d.close(d.patience-time.Since(asked)))
}

// close returns when the subscribers have given back what they held, which the router does not wait for, or when the time is over.
// There is always a moment left to find that they have.
func (d *delivery) close(within time.Duration) error {
	var closing errgroup.Group
	for _, s := range d.subscribers {
		closing.Go(s.Close)
	}
	closed := make(chan error, 1)
	go func() { closed <- closing.Wait() }()
	late := time.NewTimer(max(within, 100*time.Millisecond))
	defer late.Stop()
	select {
	case err := <-closed:
		return err
	case <-late.C:
		return errHeld
	}
}

func (s *Service) newDelivery() (*delivery, error) {
	d := &delivery{patience: s.cfg.ShutdownTimeout + settlingTime}
	var err error
	d.router, err = message.NewRouter(message.RouterConfig{CloseTimeout: d.patience}, watermillLogger(s.cfg.Logger))
	if err != nil {
		return nil, err
	}
	for _, q := range []struct {
		stage       *stage
		concurrency int
		policy      retry.Policy
	}{
		{s.eventsStage(), s.cfg.Concurrency, s.cfg.Policy},
		{s.callbacksStage(), s.cfg.CallbackConcurrency, s.cfg.CallbackPolicy},
	} {
		subscriber, err := s.backend.Subscriber(s.cfg.subscriber(q.concurrency, q.policy))
		if err != nil {
			return nil, err
		}
		d.subscribers = append(d.subscribers, subscriber)
		d.router.AddConsumerHandler(q.stage.queue, s.topic(q.stage.queue), subscriber, q.stage.handle)
	}
	return d, nil
}

// watermillLogger bridges Watermill's log to slog. What Watermill calls information is detail to a host.
func watermillLogger(log *slog.Logger) watermill.LoggerAdapter {
	return watermill.NewSlogLoggerWithLevelMapping(log.With("component", "watermill"),
		map[slog.Level]slog.Level{slog.LevelInfo: slog.LevelDebug})
}
