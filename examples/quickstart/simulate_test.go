package main

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/retry"
)

// simulate runs one attempt and says how it ended: an outcome as in the ledger, or permanent, exit or panic.
func simulate(ctx context.Context, t *testing.T, data string, attempt int) (outcome string) {
	t.Helper()
	s := newSimulator(func(context.Context, asyncevents.Event) (any, error) { return nil, nil })
	exited := false
	s.exit = func(code int) { exited = code == exitSimulated }
	defer func() {
		if recover() != nil {
			outcome = "panic"
		}
	}()
	_, err := s.process(ctx, asyncevents.Event{Data: json.RawMessage(data), TotalAttempts: attempt})
	switch {
	case exited:
		return "exit"
	case retry.IsPermanent(err):
		return "permanent"
	}
	return outcomeOf(err)
}

func TestSimulate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		data    string
		attempt int
		want    string
	}{
		{``, 1, "processed"}, {`[]`, 1, "processed"}, {`{}`, 1, "processed"}, {`{"simulate":{}}`, 1, "processed"},
		{`{"simulate":null}`, 1, "processed"}, {`{"simulate":{"fail":2}}`, 1, "failed"}, {`{"simulate":{"fail":2}}`, 2, "failed"},
		{`{"simulate":{"fail":2}}`, 3, "processed"}, {`{"simulate":{"reject":true}}`, 1, "error"},
		{`{"simulate":{"permanent":true}}`, 1, "permanent"}, {`{"simulate":{"panic":true}}`, 1, "panic"},
		{`{"simulate":{"exit":true}}`, 1, "exit"},
		// Combined.
		{`{"simulate":{"fail":1,"reject":true}}`, 1, "failed"}, {`{"simulate":{"fail":1,"reject":true}}`, 2, "error"},
		{`{"simulate":{"fail":1,"panic":true}}`, 1, "failed"}, {`{"simulate":{"fail":1,"panic":true}}`, 2, "panic"},
		{`{"simulate":{"fail":1,"permanent":true}}`, 2, "permanent"}, {`{"simulate":{"exit":true,"panic":true}}`, 1, "exit"},
		{`{"simulate":{"permanent":true,"reject":true}}`, 1, "permanent"},
		// Typos are refused, not taken for a success.
		{`{"simulate":{"fial":1}}`, 1, "error"}, {`{"simulate":{"fail":"1"}}`, 1, "error"}, {`{"simulate":[]}`, 1, "error"},
		{`{"simulate":{"fail":-1}}`, 1, "error"}, {`{"simulate":{"sleep_ms":-1}}`, 1, "error"},
	} {
		assert.Equal(t, c.want, simulate(t.Context(), t, c.data, c.attempt), "%s at attempt %d", c.data, c.attempt)
	}
}

func TestSimulateSleeps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		assert.Equal(t, "error", simulate(t.Context(), t, `{"simulate":{"sleep_ms":1500,"reject":true}}`, 1))
		assert.Equal(t, 1500*time.Millisecond, time.Since(began))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		assert.Equal(t, "failed", simulate(ctx, t, `{"simulate":{"sleep_ms":9223372036854775807}}`, 1))
		assert.Equal(t, 2500*time.Millisecond, time.Since(began), "the time limit of an attempt ends it")
	})
}

func TestSimulateEndToEnd(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, c := range []struct {
		simulate string
		want     asyncevents.Status
		attempts int
	}{
		{`{"fail":2,"sleep_ms":5}`, asyncevents.StatusProcessed, 3},
		{`{"fail":2,"reject":true}`, asyncevents.StatusError, 3},
		{`{"fail":5}`, asyncevents.StatusFailed, 5},
		{`{"panic":true,"sleep_ms":1}`, asyncevents.StatusFailed, 5},
		{`{"permanent":true}`, asyncevents.StatusFailed, 1},
		{`{"fail":3,"permanent":true}`, asyncevents.StatusFailed, 4},
	} {
		id := "sim-" + string(c.want) + "-" + time.Now().Format("150405.000000000")
		r.accept(t, id, c.simulate)
		require.Equal(t, c.attempts, r.await(t, id, c.want).Attempts, c.simulate)
	}
}
