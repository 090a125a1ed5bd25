package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
)

// readLedger returns the lines of a ledger by correlation id, without it.
func readLedger(t *testing.T, path string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	lines := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		id, rest, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		require.True(t, ok && strings.Count(rest, " ") == 1, "line %q", line)
		lines[id] = append(lines[id], rest)
	}
	return lines
}

func TestLedgerEndToEnd(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger")
	require.NoError(t, os.WriteFile(path, []byte("before 1 processed\n"), 0o600))
	r := start(t, "-ledger", path)
	for id, c := range map[string]struct {
		simulate string
		status   asyncevents.Status
	}{
		"ok": {`{}`, asyncevents.StatusProcessed}, "twice": {`{"fail":1}`, asyncevents.StatusProcessed},
		"no": {`{"reject":true}`, asyncevents.StatusError}, "dead": {`{"permanent":true}`, asyncevents.StatusFailed},
		"boom": {`{"panic":true}`, asyncevents.StatusFailed},
	} {
		r.accept(t, id, c.simulate)
		r.await(t, id, c.status)
	}
	status, answer := r.do(t, "POST", "/manage/api/queues/events/retry-one", "")
	require.Equal(t, 200, status, answer)
	eventually(t, func() bool { return len(readLedger(t, path)) == 6 && sumOf(readLedger(t, path)) >= 11 }, "lines missing")
	require.NoError(t, r.stop())
	lines := readLedger(t, path)
	redriven := slices.Sorted(slices.Values(append(lines["dead"], lines["boom"]...)))
	delete(lines, "dead")
	delete(lines, "boom")
	assert.Equal(t, map[string][]string{
		"before": {"1 processed"}, "ok": {"1 processed"}, "twice": {"1 failed", "2 processed"}, "no": {"1 error"},
	}, lines)
	assert.Subset(t, redriven, []string{"1 failed", "1 panic", "2 panic", "3 panic", "4 panic", "5 panic"})
	assert.True(t, slices.Contains(redriven, "2 failed") || slices.Contains(redriven, "6 panic"),
		"attempts are counted through redrives: %s", redriven)
}

func sumOf(lines map[string][]string) (n int) {
	for _, of := range lines {
		n += len(of)
	}
	return n
}

func TestLedgerLinesDoNotMix(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger")
	var writers []*ledger
	for range 4 {
		l, err := openLedger(path, quiet)
		require.NoError(t, err)
		writers = append(writers, l)
	}
	const perWriter = 500
	var running sync.WaitGroup
	for w, l := range writers {
		for half := range 2 {
			running.Go(func() {
				for i := half; i < perWriter; i += 2 {
					l.write(context.Background(), asyncevents.Event{ID: fmt.Sprintf("w%d", w), TotalAttempts: i}, "processed")
				}
			})
		}
	}
	running.Wait()
	for w, lines := range readLedger(t, path) {
		assert.Len(t, lines, perWriter, w)
		seen := map[int]bool{}
		for _, line := range lines {
			number, err := strconv.Atoi(strings.TrimSuffix(line, " processed"))
			require.NoError(t, err)
			seen[number] = true
		}
		assert.Len(t, seen, perWriter)
	}
	for _, l := range writers {
		require.NoError(t, l.close())
	}
}

func TestLedgerThatCannotBeWrittenFailsNoEvent(t *testing.T) {
	t.Parallel()
	l, err := openLedger(filepath.Join(t.TempDir(), "ledger"), quiet)
	require.NoError(t, err)
	require.NoError(t, l.close())
	failure := errors.New("of the processor")
	fail := l.record(func(context.Context, asyncevents.Event) (any, error) { return nil, failure })
	_, err = fail(t.Context(), asyncevents.Event{})
	assert.ErrorIs(t, err, failure)
}
