package management

import (
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

// happenings are what a timeline tells, with who did it.
func happenings(status eventStatus) (told []string) {
	for _, h := range status.Timeline {
		told = append(told, h.Queue+" "+string(h.What)+h.Action+" "+h.Error+h.Actor)
	}
	return told
}

// addEvent records an event that failed once and stands in the DLQ.
func (b *bundle) addEvent(id string) {
	b.t.Helper()
	began := time.Now().Add(-time.Minute).UTC()
	_, err := b.backend.Events.Accept(b.t.Context(), asyncevents.Acceptance{CorrelationID: id, AcceptedAt: began})
	require.NoError(b.t, err)
	history := retry.History{{Number: 1, StartedAt: began.Add(time.Second), DurationMS: 5, Error: "no luck <b>"}}
	require.NoError(b.t, b.backend.Events.Settle(b.t.Context(), asyncevents.Settlement{
		CorrelationID: id, Queue: asyncevents.EventsQueue, Status: asyncevents.StatusFailed, Attempts: 1, History: history,
		DeadLetter: &dlq.Entry{
			Queue: asyncevents.EventsQueue, Topic: asyncevents.EventsQueue, MessageID: id, CorrelationID: id, Payload: []byte(`{}`),
			Attempts: history, AcceptedAt: began, Failure: dlq.Failure{Type: "error", Message: "no luck <b>"},
		},
	}))
}

func TestTimelineHasWhatPeopleDid(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addEvent("e:1")
	b.addEvent("e:2")
	status := decode[eventStatus](t, b.do(http.MethodGet, "api/events/e:1", ""))
	assert.Equal(t, asyncevents.StatusFailed, status.Status)
	assert.Equal(t, []string{"events accepted ", "events attempt_failed no luck <b>", "events dead_lettered "}, happenings(status))
	require.Len(t, status.Entries, 1)
	assert.Equal(t, b.ids()[0], strconv.FormatInt(status.Entries[0].ID, 10))

	b.authorize = butFor(ActionErase)
	assert.Equal(t, http.StatusForbidden, b.do(http.MethodDelete, "api/queues/events/entries?correlation_id=e:1&confirm=1", "").Code)
	b.authorize = allowAll
	require.Equal(t, http.StatusOK, b.do(http.MethodDelete, "api/queues/events/entries?correlation_id=e:1&confirm=1", "").Code)
	status = decode[eventStatus](t, b.do(http.MethodGet, "api/events/e:1", ""))
	require.Len(t, status.Entries, 1)
	assert.True(t, status.Entries[0].Erased)
	assert.Contains(t, happenings(status), "events erased ")
	b.do(http.MethodPost, "api/queues/events/erased/restore", `{"correlation_id":"e:1"}`)
	restored := decode[eventStatus](t, b.do(http.MethodGet, "api/events/e:1", "")).Entries[0]
	assert.False(t, restored.Erased)
	b.do(http.MethodPost, "api/queues/events/entries/"+b.ids()[1]+"/retry", "")

	status = decode[eventStatus](t, b.do(http.MethodGet, "api/events/e:1", ""))
	assert.Equal(t, asyncevents.StatusRetried, status.Status)
	assert.Empty(t, status.Entries)
	assert.Equal(t, []string{
		"events accepted ", "events attempt_failed no luck <b>", "events dead_lettered ", "events actionerase alice",
		"events actionrestore alice", "events redriven ", "events actionretry alice",
	}, happenings(status))
	rows := decode[auditList](t, b.do(http.MethodGet, "api/audit?correlation_id=e:1", "")).Rows
	assert.Len(t, rows, 3)
	assert.Len(t, decode[auditList](t, b.do(http.MethodGet, "api/audit?correlation_id=e:2", "")).Rows, 0)
	other := decode[eventStatus](t, b.do(http.MethodGet, "api/events/e:2", ""))
	assert.Equal(t, []string{"events accepted ", "events attempt_failed no luck <b>", "events dead_lettered "}, happenings(other))
}

// A redrive by a job names who started it.
func TestTimelineNamesWhoStartedTheJob(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addEvent("e")
	job, err := b.core.jobs.Start(t.Context(), asyncevents.EventsQueue, "bob", retry.Options{})
	require.NoError(t, err)
	at := time.Now().UTC()
	require.NoError(t, b.backend.Events.Settle(t.Context(), asyncevents.Settlement{
		CorrelationID: "e", Queue: asyncevents.EventsQueue, Status: asyncevents.StatusProcessed, Attempts: 2, History: retry.History{
			{Number: 1, StartedAt: at, Error: "no luck"}, {Number: 2, StartedAt: at, Redrive: 1, RedrivenAt: at, Job: job.ID},
		},
	}))
	assert.Contains(t, happenings(decode[eventStatus](t, b.do(http.MethodGet, "api/events/e", ""))), "events redriven bob")
}

// What another program published has no record, but it may have a dead letter.
func TestTimelineWithoutARecord(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addEntry(dlq.Entry{MessageID: "foreign", Payload: []byte("{}"), Attempts: retry.History{
		{Number: 1, StartedAt: time.Date(2026, 1, 2, 3, 5, 0, 0, time.UTC), Error: "boom"},
	}})
	status := decode[eventStatus](t, b.do(http.MethodGet, "api/events/foreign", ""))
	assert.Empty(t, status.Status)
	assert.Equal(t, 1, status.Attempts)
	assert.Equal(t, []string{"events accepted ", "events attempt_failed boom", "events dead_lettered "}, happenings(status))
	got := b.do(http.MethodGet, "api/events/nobody", "")
	assert.Equal(t, http.StatusNotFound, got.Code)
	assert.Equal(t, CodeEventNotFound, code(t, got))
}

// A dead letter of a callback says nothing of its event, but how the callback went; also when it was erased.
func TestTimelineOfACallbackWithoutARecord(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addEntry(dlq.Entry{Queue: asyncevents.CallbacksQueue, MessageID: "c", CorrelationID: "e", Payload: []byte("{}"),
		Attempts: retry.History{{Number: 1, StartedAt: time.Date(2026, 1, 2, 3, 5, 0, 0, time.UTC), Error: "boom"}}})
	want := []string{"callbacks attempt_failed boom", "callbacks dead_lettered "}
	assert.Equal(t, want, happenings(decode[eventStatus](t, b.do(http.MethodGet, "api/events/e", ""))))
	require.Equal(t, http.StatusOK, b.do(http.MethodDelete, "api/queues/callbacks/entries?confirm=1", "").Code)
	status := decode[eventStatus](t, b.do(http.MethodGet, "api/events/e", ""))
	assert.Equal(t, append(want, "callbacks erased ", "callbacks actionerase alice"), happenings(status))
}

// Of what stands and what was erased of an event, what stands comes first, and says how it went.
func TestTimelineOfWhatStandsBesideWhatWasErased(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	failed := func(n int) {
		b.addEntry(dlq.Entry{MessageID: "e", Payload: []byte("{}"), Attempts: retry.History{{Number: n, StartedAt: time.Now(), Error: "boom"}}})
	}
	failed(1)
	require.Equal(t, http.StatusOK, b.do(http.MethodDelete, "api/queues/events/entries?confirm=1", "").Code)
	failed(2)
	for range 20 {
		status := decode[eventStatus](t, b.do(http.MethodGet, "api/events/e", ""))
		require.Len(t, status.Entries, 2)
		assert.False(t, status.Entries[0].Erased)
		assert.True(t, status.Entries[1].Erased)
		assert.Equal(t, 2, status.Attempts)
	}
}

// What was done to many entries at once may have been done to this one.
func TestTimelineHasWhatWasDoneToMany(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addEvent("e:1")
	b.addEvent("e:2")
	require.Equal(t, http.StatusOK, b.do(http.MethodDelete, "api/queues/events/entries?error=luck&q=secret-1&confirm=0", "").Code)
	require.Equal(t, http.StatusOK, b.do(http.MethodDelete, "api/queues/events/entries?error=luck&confirm=2", "").Code)
	status := decode[eventStatus](t, b.do(http.MethodGet, "api/events/e:1", ""))
	var bulk []happening
	for _, h := range status.Timeline {
		if h.Perhaps {
			bulk = append(bulk, h)
		}
	}
	require.Len(t, bulk, 1)
	assert.Equal(t, "erase", bulk[0].Action)
	assert.EqualValues(t, 2, bulk[0].Count)
	assert.JSONEq(t, `{"error":"luck"}`, bulk[0].Detail)
	assert.Contains(t, b.do(http.MethodGet, "events?correlation_id=e:1", "").text, "on 2 entries, perhaps this one among them")
}

// What no store could look up is refused before one is asked.
func TestControlCharactersAreRefused(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	for path, want := range map[string]int{
		"api/events/%00": http.StatusNotFound, "api/events/%ff": http.StatusNotFound,
		"api/queues/events/entries?correlation_id=%00": http.StatusBadRequest, "api/audit?correlation_id=%ff": http.StatusBadRequest,
		"api/queues/events/retry-jobs?cursor=%00": http.StatusBadRequest, "queues/events?error=a%00b": http.StatusBadRequest,
	} {
		assert.Equal(t, want, b.do(http.MethodGet, path, "").Code, path)
	}
}

func TestEventPage(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addEvent("e:1")
	assert.Contains(t, b.do(http.MethodGet, "events", "").text, "Correlation ID")
	page := b.do(http.MethodGet, "events?correlation_id=e:1", "")
	assert.Equal(t, http.StatusOK, page.Code)
	for _, want := range []string{
		"attempt failed", "no luck &lt;b&gt;", `href="./queues/events/entries/1"`, "dead lettered", `value="e:1"`,
	} {
		assert.Contains(t, page.text, want)
	}
	page = b.do(http.MethodGet, "events?correlation_id="+url.QueryEscape("<script>"), "")
	assert.Equal(t, http.StatusOK, page.Code, "a search that found nothing")
	assert.Contains(t, page.text, "Nothing is known of <code>&lt;script&gt;</code>")
	assert.Contains(t, b.do(http.MethodGet, "queues/events/entries/1", "").text, `href="../../../events?correlation_id=e%3a1"`)
}
