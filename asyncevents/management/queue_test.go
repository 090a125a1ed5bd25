package management

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
)

func TestQueues(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addMany(2)
	b.addEntry(dlq.Entry{Queue: asyncevents.CallbacksQueue, MessageID: "c"})
	got := b.do(http.MethodGet, "api/queues", "")
	list := decode[queueList](t, got).Queues
	require.Len(t, list, 2)
	assert.Equal(t, "events", list[0].Queue)
	assert.EqualValues(t, 2, list[0].Depth)
	assert.False(t, list[0].OldestAt.IsZero())
	assert.Equal(t, &backlogStatus{}, list[0].Backlog)
	assert.EqualValues(t, 1, list[1].Depth)

	b.do(http.MethodPost, "api/queues/events/retry-one", "")
	one := decode[queueStatus](t, b.do(http.MethodGet, "api/queues/events", ""))
	assert.EqualValues(t, 1, one.Depth)
	assert.EqualValues(t, 1, one.Backlog.Ready, "the moved entry waits in the main queue")
}

func TestEmptyQueueHasNoOldest(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	assert.JSONEq(t, `{"queue":"events","depth":0,"backlog":{"ready":0,"delayed":0,"in_flight":0}}`,
		b.do(http.MethodGet, "api/queues/events", "").text)
	assert.Contains(t, b.do(http.MethodGet, "queues/events", "").text, "This dead-letter queue is empty.")
}

func TestBacklogThatNobodyKnows(t *testing.T) {
	t.Parallel()
	backlogs := map[string]func(context.Context, string) (asyncevents.Backlog, bool, error){
		"no ability": func(context.Context, string) (asyncevents.Backlog, bool, error) {
			return asyncevents.Backlog{}, false, nil
		},
		"failure": func(context.Context, string) (asyncevents.Backlog, bool, error) {
			return asyncevents.Backlog{}, true, errDown
		},
	}
	for name, backlog := range backlogs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, nil)
			b.core.backlog = backlog
			got := b.do(http.MethodGet, "api/queues/events", "")
			assert.JSONEq(t, `{"queue":"events","depth":0}`, got.text)
			assert.Equal(t, http.StatusOK, b.do(http.MethodGet, "queues/events", "").Code)
			assert.Equal(t, name == "failure", b.log.Len() > 0)
		})
	}
}

func TestQueuePagePagesAndSaysSo(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addMany(3)
	first := b.do(http.MethodGet, "queues/events?limit=2", "").text
	assert.Contains(t, first, "event-002")
	assert.NotContains(t, first, "event-003")
	cursor := decode[entriesReply](t, b.do(http.MethodGet, "api/queues/events/entries?limit=2", "")).NextCursor
	assert.Contains(t, first, "?cursor="+cursor)
	second := b.do(http.MethodGet, "queues/events?cursor="+cursor, "").text
	assert.Contains(t, second, "event-003")
	assert.NotContains(t, second, "event-002")
	assert.Equal(t, http.StatusBadRequest, b.do(http.MethodGet, "queues/events?cursor=x", "").Code)
}
