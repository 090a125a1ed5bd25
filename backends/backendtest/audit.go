package backendtest

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
)

var auditCases = []testCase{
	{"a row comes back as it was appended", auditWhole},
	{"newest first, by page", auditPages},
	{"those about one event", auditAbout},
	{"appended at once, all are there", auditConcurrently},
}

func auditWhole(t *testing.T, f *fixture) {
	list, err := f.Audit.List(t.Context(), asyncevents.AuditQuery{Limit: 10})
	require.NoError(t, err)
	assert.Empty(t, list)
	want := asyncevents.AuditRow{
		Actor: "ann", Action: "erase", Queue: "events", Target: "7", CorrelationID: "e-1", Count: 3, Outcome: "allowed", Detail: "ü'\"\n",
	}
	ignored := want
	ignored.ID, ignored.At = 99, time.Unix(0, 0)
	require.NoError(t, f.Audit.Append(t.Context(), ignored))
	list, err = f.Audit.List(t.Context(), asyncevents.AuditQuery{Limit: 10})
	require.NoError(t, err)
	require.Len(t, list, 1)
	assert.Positive(t, list[0].ID)
	assert.WithinDuration(t, time.Now(), list[0].At, time.Minute)
	want.ID, want.At = list[0].ID, list[0].At
	assert.Equal(t, want, list[0])
}

func auditPages(t *testing.T, f *fixture) {
	for i := range 10 {
		require.NoError(t, f.Audit.Append(t.Context(), asyncevents.AuditRow{Action: strconv.Itoa(i)}))
	}
	var seen []string
	for before := int64(0); ; {
		page, err := f.Audit.List(t.Context(), asyncevents.AuditQuery{Before: before, Limit: 4})
		require.NoError(t, err)
		if len(page) == 0 {
			break
		}
		assert.LessOrEqual(t, len(page), 4)
		for _, row := range page {
			seen = append(seen, row.Action)
		}
		before = page[len(page)-1].ID
	}
	assert.Equal(t, []string{"9", "8", "7", "6", "5", "4", "3", "2", "1", "0"}, seen)
}

func auditAbout(t *testing.T, f *fixture) {
	for i := range 10 {
		row := asyncevents.AuditRow{Action: strconv.Itoa(i), CorrelationID: []string{"", "e-1", "e-2"}[i%3]}
		require.NoError(t, f.Audit.Append(t.Context(), row))
	}
	actions := func(q asyncevents.AuditQuery) (actions []string) {
		rows, err := f.Audit.List(t.Context(), q)
		require.NoError(t, err)
		for _, row := range rows {
			actions = append(actions, row.Action)
		}
		return actions
	}
	assert.Equal(t, []string{"7", "4", "1"}, actions(asyncevents.AuditQuery{CorrelationID: "e-1", Limit: 10}))
	rows, err := f.Audit.List(t.Context(), asyncevents.AuditQuery{CorrelationID: "e-2", Limit: 1})
	require.NoError(t, err)
	require.Len(t, rows, 1)
	assert.Equal(t, []string{"5", "2"}, actions(asyncevents.AuditQuery{CorrelationID: "e-2", Before: rows[0].ID, Limit: 10}))
	assert.Empty(t, actions(asyncevents.AuditQuery{CorrelationID: "e-3", Limit: 10}))
}

func auditConcurrently(t *testing.T, f *fixture) {
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() { assert.NoError(t, f.Audit.Append(t.Context(), asyncevents.AuditRow{Actor: "ann"})) })
	}
	group.Wait()
	list, err := f.Audit.List(t.Context(), asyncevents.AuditQuery{Limit: 100})
	require.NoError(t, err)
	ids := make([]int64, len(list))
	for i, row := range list {
		ids[i] = row.ID
	}
	assert.Len(t, ids, 50)
	assert.IsDecreasing(t, ids)
}
