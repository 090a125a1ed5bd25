package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/export"
	"github.com/redrive-go/redrive/retry"
)

// crashConcurrency is how many events are in flight at most, and so how many runs a kill may double.
const crashConcurrency = 20

// long returns the number for the short form of a case, or the one for its long form when REDRIVE_SOAK is set.
func long(short, soak int) int {
	if os.Getenv("REDRIVE_SOAK") != "" {
		return soak
	}
	return short
}

// senders send events to servers that come and go, each until it is accepted.
type senders struct {
	bases    []*atomic.Pointer[string] // of each server
	next     atomic.Int64
	accepted atomic.Int64
	running  sync.WaitGroup
}

// serves says where the server of that number is now.
func (s *senders) serves(number int, p *process) {
	for len(s.bases) <= number {
		s.bases = append(s.bases, new(atomic.Pointer[string]))
	}
	s.bases[number].Store(&p.base)
}

func (s *senders) start(ctx context.Context, events, count int) {
	for number := range count {
		base := s.bases[number%len(s.bases)]
		s.running.Go(func() {
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport, Timeout: 5 * time.Second}
			for n := s.next.Add(1); n <= int64(events) && ctx.Err() == nil; n = s.next.Add(1) {
				for !s.send(ctx, client, base, eventBody(crashID(int(n)), `{"sleep_ms":3}`)) && ctx.Err() == nil {
					time.Sleep(5 * time.Millisecond) // the server is down or going down: ask again
				}
			}
		})
	}
}

func crashID(n int) string { return "e" + strconv.Itoa(n) }

// send is whether the event was answered with 202.
func (s *senders) send(ctx context.Context, client *http.Client, base *atomic.Pointer[string], body string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, *base.Load()+eventsPath, bytes.NewReader([]byte(body)))
	if err != nil {
		return false
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, response.Body)
	if response.StatusCode != http.StatusAccepted {
		return false
	}
	s.accepted.Add(1)
	return true
}

// No event that was answered with 202 is lost when the process is killed, wherever it stands, and at most those in
// flight run twice. Kills are counted as attempts, so that an event which many of them meet becomes a dead letter.
func TestProcessKilledUnderLoad(t *testing.T) {
	onEachStore(t, func(t *testing.T, store []string) {
		events, kills := long(1_000, 10_000), long(4, 50)
		ledgerPath := filepath.Join(t.TempDir(), "ledger")
		args := append(store, "-ledger", ledgerPath, "-concurrency", strconv.Itoa(crashConcurrency))
		p := launch(t, args...)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		var s senders
		s.serves(0, p)
		s.start(ctx, events, 16)
		for _, moment := range killMoments(events, kills) {
			eventually(t, func() bool { return s.accepted.Load() >= moment }, "only %d accepted", s.accepted.Load())
			p.kill(t)
			p = launch(t, args...)
			s.serves(0, p)
		}
		s.running.Wait()
		require.EqualValues(t, events, s.accepted.Load())

		dead := p.awaitEnds(t, events)
		doubled := assertRan(t, readLedger(t, ledgerPath), events, dead)
		assert.LessOrEqual(t, doubled, kills*crashConcurrency)
		t.Logf("%d events, %d kills: %d runs doubled, %d dead letters", events, kills, doubled, len(dead))
		p.signal(t, termination)
		assert.Zero(t, p.wait(t))
	})
}

// assertRan asserts that every event ran to its end or is a dead letter, and returns how many runs there were besides.
func assertRan(t *testing.T, lines map[string][]string, events int, dead map[string]bool) (doubled int) {
	t.Helper()
	for n := 1; n <= events; n++ {
		assert.True(t, dead[crashID(n)] || len(lines[crashID(n)]) > 0, "%s never ran to its end", crashID(n))
	}
	return sumOf(lines) - len(lines)
}

// awaitEnds waits until every event is processed; or in the DLQ, where one ends that kills have met five times. It
// returns those.
func (p *process) awaitEnds(t *testing.T, events int) (dead map[string]bool) {
	t.Helper()
	dead = map[string]bool{}
	for n := 1; n <= events; n++ {
		id := crashID(n)
		var seen sampleStatus
		eventually(t, func() bool {
			seen = p.status(t, id)
			return seen.settled()
		}, "%s does not end", id)
		if seen.Status != asyncevents.StatusProcessed {
			assert.Equal(t, asyncevents.StatusFailed, seen.Status, id)
			assert.GreaterOrEqual(t, seen.Attempts, retry.DefaultMaxAttempts, id)
			dead[id] = true
		}
	}
	depth, _ := p.queue(t, asyncevents.EventsQueue)
	assert.EqualValues(t, len(dead), depth)
	_, entries := p.do(t, http.MethodGet, managePath+"/api/queues/events/entries?limit=1000", "")
	assert.Equal(t, len(dead), strings.Count(entries, `"type":"lost"`))
	return dead
}

// killMoments are random, and say after how many accepted events the process is killed.
func killMoments(events, kills int) []int64 {
	var moments []int64
	for range kills {
		moments = append(moments, rand.Int64N(int64(events)-1)+1)
	}
	slices.Sort(moments)
	return moments
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

		args := append(store, "-ledger", filepath.Join(t.TempDir(), "ledger"), "-concurrency", "10")
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
