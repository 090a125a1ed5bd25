package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/retry"
)

// codeSimulated and codeBadSimulation are the codes of refusals that have to do with a simulation.
const (
	codeSimulated     = 301900
	codeBadSimulation = 301901
)

// exitSimulated is the exit code of a process that an event has ended.
const exitSimulated = 70

// maxSleep is the longest time that a handler sleeps.
const maxSleep = 24 * time.Hour

// simulation is the trouble that an event asks for in data.simulate. All of it combines: the handler sleeps first, then
// fails while Fail says so, and then does the first of the others that is asked for, in their order here.
type simulation struct {
	// SleepMS is how many milliseconds the handler takes, in addition.
	SleepMS int64 `json:"sleep_ms"`
	// Fail is how many of the first attempts fail, counted through all redrives.
	Fail int `json:"fail"`
	// Exit ends the process within the handler.
	Exit bool `json:"exit"`
	// Panic panics.
	Panic bool `json:"panic"`
	// Permanent fails for good, without another attempt.
	Permanent bool `json:"permanent"`
	// Reject refuses the event for a business reason.
	Reject bool `json:"reject"`
}

// simulator makes the trouble that events ask for before their processor runs.
type simulator struct {
	next asyncevents.Processor
	exit func(code int)
}

func newSimulator(next asyncevents.Processor) *simulator {
	return &simulator{next: next, exit: os.Exit}
}

func (s *simulator) process(ctx context.Context, event asyncevents.Event) (any, error) {
	trouble, err := parseSimulation(event.Data)
	if err != nil {
		return nil, asyncevents.Reject("BadSimulation", codeBadSimulation, err.Error())
	}
	if err := s.make(ctx, trouble, event.TotalAttempts); err != nil {
		return nil, err
	}
	return s.next(ctx, event)
}

// parseSimulation reads data.simulate; data that has none asks for nothing.
func parseSimulation(data json.RawMessage) (trouble simulation, err error) {
	var outer struct {
		Simulate json.RawMessage `json:"simulate"`
	}
	// Data need not be an object, and then asks for nothing either.
	_ = json.Unmarshal(data, &outer)
	if len(outer.Simulate) == 0 {
		return simulation{}, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(outer.Simulate))
	decoder.DisallowUnknownFields() // a typo should not look like a success
	if err := decoder.Decode(&trouble); err != nil {
		return simulation{}, fmt.Errorf("data.simulate: %w", err)
	}
	if trouble.Fail < 0 || trouble.SleepMS < 0 {
		return simulation{}, errors.New("data.simulate: fail and sleep_ms must not be negative")
	}
	return trouble, nil
}

func (s *simulator) make(ctx context.Context, trouble simulation, attempt int) error {
	if err := sleep(ctx, trouble.SleepMS); err != nil {
		return err
	}
	switch {
	case attempt <= trouble.Fail:
		return fmt.Errorf("simulated failure %d of %d", attempt, trouble.Fail)
	case trouble.Exit:
		s.exit(exitSimulated)
	case trouble.Panic:
		panic("simulated panic")
	case trouble.Permanent:
		return retry.Permanent(errors.New("simulated permanent failure"))
	case trouble.Reject:
		return asyncevents.Reject("SimulatedRefusal", codeSimulated, "simulated refusal")
	}
	return nil
}

// sleep waits, or returns ctx's error when that ends first.
func sleep(ctx context.Context, ms int64) error {
	if ms == 0 {
		return nil
	}
	timer := time.NewTimer(time.Duration(min(ms, maxSleep.Milliseconds())) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
