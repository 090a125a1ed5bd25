package management

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

type entriesReply struct {
	Entries    []struct{ ID string }
	NextCursor string `json:"next_cursor"`
	Total      int64
}

func decode[T any](t *testing.T, got reply) T {
	t.Helper()
	var v T
	require.NoError(t, json.Unmarshal([]byte(got.text), &v), got.text)
	return v
}

// code is the code of an error.
func code(t *testing.T, got reply) int {
	t.Helper()
	return decode[errorBody](t, got).Error.Code
}

func TestListEntriesPagesThroughAll(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addMany(7)
	var ids []string
	path := "api/queues/events/entries?limit=3"
	for pages := 1; ; pages++ {
		require.LessOrEqual(t, pages, 3)
		page := decode[entriesReply](t, b.do(http.MethodGet, path, ""))
		assert.EqualValues(t, 7, page.Total)
		for _, entry := range page.Entries {
			ids = append(ids, entry.ID)
		}
		if page.NextCursor == "" {
			break
		}
		path = "api/queues/events/entries?limit=3&cursor=" + url.QueryEscape(page.NextCursor)
	}
	assert.Equal(t, b.ids(), ids)
}

func TestListEntriesEmpty(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	assert.JSONEq(t, `{"entries":[],"total":0,"complete":true}`, b.do(http.MethodGet, "api/queues/callbacks/entries", "").text)
}

func TestListEntriesRefuses(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addMany(1)
	tests := map[string]int{
		"limit=0":                            asyncevents.CodeMalformed,
		"limit=1001":                         asyncevents.CodeMalformed,
		"limit=ten":                          asyncevents.CodeMalformed,
		"cursor=%00":                         asyncevents.CodeMalformed,
		"cursor=x%27--":                      asyncevents.CodeMalformed,
		"error_text=x":                       CodeUnsupported,
		"q=":                                 asyncevents.CodeMalformed,
		"correlation_id=":                    asyncevents.CodeMalformed,
		"attribute=x":                        asyncevents.CodeMalformed,
		"min_redrives=x":                     asyncevents.CodeMalformed,
		"max_redrives=-1":                    asyncevents.CodeMalformed,
		"attribute==x":                       asyncevents.CodeMalformed,
		"from=2026-01-01":                    asyncevents.CodeMalformed,
		"to=2026-01-01":                      asyncevents.CodeMalformed,
		"error=" + strings.Repeat("x", 1025): asyncevents.CodeMalformed,
	}
	for query, want := range tests {
		got := b.do(http.MethodGet, "api/queues/events/entries?"+query, "")
		assert.Equal(t, http.StatusBadRequest, got.Code, query)
		assert.Equal(t, want, code(t, got), query)
		name, _, _ := strings.Cut(query, "=")
		assert.Contains(t, got.text, name)
	}
}

func TestEntryIsShownWhole(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	const payload = "{ \"a\" : 1.10,\n\"b\":\"<script>\" }"
	b.addEntry(dlq.Entry{MessageID: "m", CorrelationID: "c-1", Payload: []byte(payload), Redrives: 2,
		Failure:  dlq.Failure{Type: "panic", Message: "boom", Stack: "goroutine 1 [running]"},
		Attempts: retry.History{{Number: 1, Error: "first"}, {Number: 2, Error: "second", ResponseStatus: 500}}})
	got := b.do(http.MethodGet, "api/queues/events/entries/"+b.ids()[0], "")
	assert.Equal(t, http.StatusOK, got.Code)
	assert.Contains(t, got.text, `"payload":`+payload, "byte for byte")
	assert.Contains(t, got.text, `"correlation_id":"c-1"`)
	assert.NotContains(t, got.text, "goroutine")
	list := b.do(http.MethodGet, "api/queues/events/entries", "")
	assert.Contains(t, list.text, payload)
	assert.NotContains(t, list.text, "goroutine")
	assert.NotContains(t, b.do(http.MethodGet, "queues/events/entries/"+b.ids()[0], "").text, "goroutine")
}

func TestUnknownEntries(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	for _, id := range []string{"7", "0", "-1", "abc", "9223372036854775808", "1%00", "%27or%201=1"} {
		for method, path := range map[string]string{"GET": "", "POST": "/retry"} {
			got := b.do(method, "api/queues/events/entries/"+id+path, "")
			assert.Equal(t, http.StatusNotFound, got.Code, id)
			assert.Equal(t, CodeEntryNotFound, code(t, got))
		}
		assert.Equal(t, http.StatusNotFound, b.do("GET", "queues/events/entries/"+id, "").Code)
	}
}

func TestRetryOne(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addMany(2)
	oldest := b.ids()[0]
	got := b.do(http.MethodPost, "api/queues/events/retry-one", "")
	assert.Equal(t, http.StatusOK, got.Code)
	assert.Contains(t, got.text, `{"entry":{"id":"`+oldest+`"`)
	assert.EqualValues(t, 1, b.depth())
	row := b.audit()[0]
	assert.Equal(t, asyncevents.AuditRow{ID: row.ID, At: row.At, Actor: "alice", Action: "retry", Queue: "events",
		Target: oldest, CorrelationID: "event-001", Count: 1, Outcome: outcomeAllowed}, row)

	b.do(http.MethodPost, "api/queues/events/retry-one", "{}")
	got = b.do(http.MethodPost, "api/queues/events/retry-one", "")
	assert.Equal(t, http.StatusNotFound, got.Code)
	assert.Equal(t, CodeEntryNotFound, code(t, got))
	assert.Equal(t, outcomeFailed, b.audit()[0].Outcome)
	assert.Len(t, b.audit(), 3)
}

func TestRetryEntryMovesItOnce(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addMany(3)
	path := "/manage/api/queues/events/entries/" + b.ids()[1] + "/retry"
	var moved, missing atomic.Int64
	var group sync.WaitGroup
	for range 100 {
		group.Go(func() {
			switch request(b, http.MethodPost, path).Code {
			case http.StatusOK:
				moved.Add(1)
			case http.StatusNotFound:
				missing.Add(1)
			}
		})
	}
	group.Wait()
	assert.EqualValues(t, 1, moved.Load())
	assert.EqualValues(t, 99, missing.Load())
	assert.EqualValues(t, 2, b.depth())
	assert.Len(t, b.audit(), 100)
}

func TestErase(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addMany(3)
	for _, query := range []string{"", "?confirm=", "?confirm=2", "?confirm=4"} {
		got := b.do(http.MethodDelete, "api/queues/events/entries"+query, "")
		assert.Equal(t, http.StatusConflict, got.Code, query)
		assert.EqualValues(t, 3, *decode[errorBody](t, got).Count)
		assert.Equal(t, CodeCountDiffers, code(t, got))
	}
	for _, query := range []string{"?confirm=three", "?confirm=-1", "?confirm=3&id=x", "?confirm=3&q="} {
		assert.Equal(t, http.StatusBadRequest, b.do(http.MethodDelete, "api/queues/events/entries"+query, "").Code, query)
	}
	assert.Equal(t, http.StatusBadRequest, b.do(http.MethodDelete, "api/queues/events/entries?confirm=3", `{"q":"x"}`).Code)
	require.EqualValues(t, 3, b.depth())

	got := b.do(http.MethodDelete, "api/queues/events/entries?confirm=3", "")
	assert.JSONEq(t, `{"erased":3}`, got.text)
	assert.Zero(t, b.depth())
	row := b.audit()[0]
	assert.Equal(t, "erase", row.Action)
	assert.EqualValues(t, 3, row.Count)
	assert.Equal(t, outcomeAllowed, row.Outcome)
	assert.Len(t, b.audit(), 10, "one row for each call")
}

func TestEraseWaitsForExports(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addMany(2)
	got := b.do(http.MethodPost, "api/queues/events/exports", "") // nothing runs that would write it
	require.Equal(t, http.StatusAccepted, got.Code, got.text)
	got = b.do(http.MethodDelete, "api/queues/events/entries?confirm=2", "")
	assert.Equal(t, http.StatusConflict, got.Code)
	assert.Equal(t, CodeExportRunning, code(t, got))
	assert.EqualValues(t, 2, b.depth())
}

// brokenEraser erases one chunk and fails.
type brokenEraser struct {
	dlq.Store
	calls int
}

func (s *brokenEraser) Transfer(ctx context.Context, p dlq.TransferParams) (int64, error) {
	if s.calls++; s.calls > 1 {
		return 0, errDown
	}
	p.Limit = 2
	return s.Store.Transfer(ctx, p)
}

func TestBrokenErasureIsCounted(t *testing.T) {
	t.Parallel()
	b := newBundle(t, func(backend *asyncevents.Backend) {
		backend.DeadLetters = &brokenEraser{Store: backend.DeadLetters}
	})
	b.addMany(3)
	got := b.do(http.MethodDelete, "api/queues/events/entries?confirm=3", "")
	assert.Equal(t, http.StatusServiceUnavailable, got.Code)
	assert.EqualValues(t, 2, b.audit()[0].Count)
	assert.Equal(t, outcomeFailed, b.audit()[0].Outcome)
}

func TestEntryForms(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addMany(4)
	steps := []struct {
		path   string
		fields url.Values
		flash  string
		depth  int64
	}{
		{"queues/events/retry-one", nil, flashRetried, 3},
		{"queues/events/entries/" + b.ids()[3] + "/retry", nil, flashRetried, 2},
		{"queues/events/entries/" + b.ids()[3] + "/retry", nil, fmt.Sprint(CodeEntryNotFound), 2},
		{"queues/events/erase", url.Values{"confirm": {"1"}}, fmt.Sprint(CodeCountDiffers), 2},
		{"queues/events/erase?confirm=2", nil, fmt.Sprint(CodeCountDiffers), 2},
		{"queues/events/erase", url.Values{"confirm": {"2"}}, flashErased, 0},
		{"queues/events/retry-one", nil, fmt.Sprint(CodeEntryNotFound), 0},
	}
	for _, step := range steps {
		got := b.submit(step.path, step.fields)
		assert.Equal(t, http.StatusSeeOther, got.Code, step.path)
		assert.True(t, strings.HasSuffix(got.Header().Get("Location"), "../queues/events?flash="+step.flash),
			got.Header().Get("Location"))
		assert.Equal(t, step.depth, b.depth())
		page := b.do(http.MethodGet, "queues/events?flash="+step.flash, "")
		assert.Contains(t, page.text, flashes[step.flash].Text)
	}
	assert.Len(t, b.audit(), len(steps))
	assert.Equal(t, http.StatusBadRequest, b.submit("queues/events/erase", url.Values{"confirm": {"all"}}).Code)
}
