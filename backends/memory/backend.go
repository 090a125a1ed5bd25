// Package memory is the backend that keeps everything in the process and forgets it at exit. It is made for tests
// and for trying things out, and holds to the same contract as a database.
//
// Everything that one call changes it changes in one critical section, so there is no state in between to be seen.
// What goes in and comes out is copied: callers may do with their messages and entries what they like. Leases,
// delays and times are the process's clock, so the backend works in a testing/synctest bubble.
package memory

import (
	"context"
	"fmt"
	"sync"

	"github.com/ThreeDotsLabs/watermill/message"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/queue"
	"github.com/redrive-go/redrive/retry"
)

// New returns an empty backend. It needs no configuration, starts no goroutine of its own, and Close is only needed
// to make later calls fail.
func New() *asyncevents.Backend {
	s := newState()
	return &asyncevents.Backend{
		Name:        "memory",
		Publisher:   queue.NewPublisher(s.driver),
		Subscriber:  s.subscriber,
		Events:      &events{s},
		DeadLetters: &deadLetters{s},
		Jobs:        &jobs{s},
		Exports:     &exports{state: s},
		Audit:       &audit{state: s},
		Traffic:     &traffic{state: s, minutes: map[string][]asyncevents.Traffic{}},
		Backlog:     s.driver.backlog,
		Ping:        s.ready,
		Close:       s.close,
	}
}

// state is what the parts of the backend share. Its mutex guards all of it, because most calls change several parts
// in one step.
type state struct {
	driver *driver
	bell   queue.Bell

	mu          sync.Mutex
	closed      bool
	lastMessage int64
	lastEntry   int64
	topics      map[string]*topic
	held        map[int64]*item
	events      map[string]*asyncevents.Record
	dlqs        map[string]*dlqState
	jobs        map[string][]*leasedJob
	settings    retry.Settings
}

func newState() *state {
	s := &state{
		topics:   map[string]*topic{},
		held:     map[int64]*item{},
		events:   map[string]*asyncevents.Record{},
		dlqs:     map[string]*dlqState{},
		jobs:     map[string][]*leasedJob{},
		settings: retry.DefaultSettings(),
	}
	s.driver = &driver{s}
	return s
}

func (s *state) subscriber(cfg asyncevents.SubscriberConfig) (message.Subscriber, error) {
	subscriber, err := queue.NewSubscriber(s.driver, cfg, nil)
	if err != nil {
		return nil, fmt.Errorf("memory: %w", err)
	}
	return subscriber, nil
}

// lock enters the critical section, unless the caller has gone away or the backend is closed; op says what for. A
// database refuses those as well, so tests on this backend see it.
func (s *state) lock(ctx context.Context, op string, args ...any) error {
	err := ctx.Err()
	if err == nil {
		s.mu.Lock()
		if !s.closed {
			return nil
		}
		s.mu.Unlock()
		err = queue.ErrClosed
	}
	return fmt.Errorf("memory: %s: %w", fmt.Sprintf(op, args...), err)
}

func (s *state) ready(ctx context.Context) error {
	if err := s.lock(ctx, "ping"); err != nil {
		return err
	}
	s.mu.Unlock()
	return nil
}

func (s *state) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}
