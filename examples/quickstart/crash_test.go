package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/export"
	"github.com/redrive-go/redrive/internal/soak"
)

// No event that was answered with 202 is lost when the process is killed, wherever it stands, and at most those in
// flight run twice. Kills are counted as attempts, so that an event which many of them meet becomes a dead letter.
func TestProcessKilledUnderLoad(t *testing.T) {
	onEachStore(t, func(t *testing.T, store []string) {
		kills := soak.Long(4, 50)
		r := launchTrial(t, 1, store)
		doubled, _ := r.run(t, soak.Long(400, 10_000), kills, func() {
			r.servers[0].kill(t)
			r.launch(t, 0)
		})
		assert.LessOrEqual(t, doubled, kills*crashConcurrency)
	})
}

// An event that ends the process takes nobody along: it is in the DLQ after five starts, the others are processed.
func TestProcessThatAnEventEnds(t *testing.T) {
	onEachStore(t, func(t *testing.T, store []string) {
		const others = 50
		bodies := map[string]string{"killer": `{"exit":true}`}
		for n := range others {
			bodies[fmt.Sprintf("good-%d", n)] = `{}`
		}
		preload(t, store, bodies)

		// What was in flight together comes back apart by parts of the lease, which must be longer than a slow machine takes
		// to get over one of them: else all of it dies together.
		args := append(store, "-ledger", filepath.Join(t.TempDir(), "ledger"), "-concurrency", "10", "-lease", "1s")
		p, deaths := launch(t, args...), 0
		for !p.isFailed(t, "killer") {
			if p.endedWithin(20 * time.Millisecond) {
				require.Equal(t, exitSimulated, p.code, p.stderr)
				deaths++
				require.LessOrEqual(t, deaths, 5, "it should be in the DLQ by now")
				p = launch(t, args...)
			}
		}
		assert.Equal(t, 5, deaths)
		assert.Equal(t, 5, p.status(t, "killer").Attempts)
		for n := range others {
			p.await(t, fmt.Sprintf("good-%d", n), asyncevents.StatusProcessed)
		}
		depth, _ := p.queue(t, asyncevents.EventsQueue)
		assert.EqualValues(t, 1, depth)
		_, entries := p.do(t, http.MethodGet, managePath+"/api/queues/events/entries", "")
		assert.Contains(t, entries, `"type":"lost"`)
	})
}

// preload puts events into a store while nobody processes them, by id and the trouble they ask for.
func preload(t *testing.T, store []string, simulate map[string]string) {
	t.Helper()
	o, err := parseOptions(store, io.Discard)
	require.NoError(t, err)
	backend, err := openBackend(t.Context(), o, quiet)
	require.NoError(t, err)
	exports, err := export.NewFolder(t.TempDir())
	require.NoError(t, err)
	service, err := asyncevents.New(backend, processLoyalty, &asyncevents.Config{Exports: exports, Logger: quiet})
	require.NoError(t, err)
	for id, trouble := range simulate {
		_, err := service.Accept(t.Context(), asyncevents.Submission{Body: []byte(eventBody(id, trouble))})
		require.NoError(t, err)
	}
	require.NoError(t, errors.Join(backend.Close(), exports.Close()))
}

// isFailed asks a process that may end at any time.
func (p *process) isFailed(t *testing.T, id string) bool {
	t.Helper()
	response, err := p.http.Do(p.request(t, http.MethodGet, eventsPath+"/"+id, ""))
	if err != nil {
		return false
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return err == nil && bytes.Contains(text, []byte(`"status":"failed"`))
}

func (p *process) endedWithin(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-p.ended:
		return true
	case <-timer.C:
		return false
	}
}
