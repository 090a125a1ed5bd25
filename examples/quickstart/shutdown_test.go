package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/internal/soak"
)

// termination is how a supervisor asks a process to end.
const termination = syscall.SIGTERM

func TestProcessDrainsOnSIGTERM(t *testing.T) { onEachStore(t, drains) }

func drains(t *testing.T, store []string) {
	const handlers = 10
	ledgerPath := filepath.Join(t.TempDir(), "ledger")
	// The lease is long: nothing but the shutdown should come between, also on a machine that is starved.
	args := append(store, "-ledger", ledgerPath, "-lease", "30s")
	p := launch(t, args...)
	for n := range handlers {
		p.accept(t, fmt.Sprintf("slow-%d", n), `{"sleep_ms":2000}`)
	}
	eventually(t, func() bool {
		_, inFlight := p.queue(t, asyncevents.EventsQueue)
		return inFlight == handlers
	}, "not all handlers run")
	began := time.Now()
	p.signal(t, termination)
	require.Zero(t, p.wait(t), p.stderr)
	assert.Less(t, time.Since(began), 10*time.Second)
	lines := readLedger(t, ledgerPath)
	assert.GreaterOrEqual(t, len(lines), handlers-1, "all finish; one may have been on its way to its handler")
	assert.Equal(t, len(lines), sumOf(lines), "none runs twice")

	p = launch(t, args...)
	for n := range handlers {
		id := fmt.Sprintf("slow-%d", n)
		if lines[id] != nil {
			assert.Equal(t, asyncevents.StatusProcessed, p.status(t, id).Status)
		}
		eventually(t, func() bool { return p.status(t, id).Status == asyncevents.StatusProcessed }, "%s is not processed", id)
	}
	assert.Equal(t, handlers, sumOf(readLedger(t, ledgerPath)))
	p.signal(t, syscall.SIGINT)
	assert.Zero(t, p.wait(t), p.stderr)
}

// A shutdown under load doubles no run and loses no event.
func TestProcessTerminatedUnderLoad(t *testing.T) {
	onEachStore(t, func(t *testing.T, store []string) {
		r := launchTrial(t, 1, store, "-lease", "10s")
		doubled, _ := r.run(t, soak.Long(400, 10_000), soak.Long(3, 20), func() {
			r.servers[0].signal(t, termination)
			require.Zero(t, r.servers[0].wait(t), r.servers[0].stderr)
			r.launch(t, 0)
		})
		assert.Zero(t, doubled)
	})
}

func TestProcessEndsAtOnceOnTheSecondSignal(t *testing.T) {
	t.Parallel()
	p := launch(t, "-dsn", filepath.Join(t.TempDir(), "e.db"))
	p.accept(t, "endless", `{"sleep_ms":50000}`)
	eventually(t, func() bool {
		_, inFlight := p.queue(t, asyncevents.EventsQueue)
		return inFlight == 1
	}, "the handler does not run")
	p.signal(t, termination)
	eventually(t, func() bool { return strings.Contains(p.stderr.String(), "a second signal") }, "the first is not heard")
	p.signal(t, termination)
	assert.Equal(t, -1, p.wait(t), "ended by the signal")
}
