package dlq_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

// found is the message ids of what a filter finds among entries with odd payloads.
func found(t *testing.T, filter dlq.Filter) (ids []string) {
	t.Helper()
	f := &fake{}
	for id, payload := range map[string]string{
		"1": `{"action":"point_add","data":{"points":12.50,"tier":"Gold","tags":["a","b"],"a.b":true}}`,
		"2": `{"action":"point_use","data":{"points":12.5,"tier":"silver","nothing":null}}`,
		"3": `{"action":"point_add"`,
		"4": `no JSON at all`,
		"6": `{"deep":` + strings.Repeat("[", 1<<20),
		"5": `{"a*":"star","ab":"other","#":"sharp","@this":"at"}`,
	} {
		f.add(dlq.Entry{
			Queue: "events", MessageID: id, CorrelationID: "event-" + id, Payload: []byte(payload), Redrives: int(id[0] - '1'), Job: "job-" + id,
			Failure: dlq.Failure{Type: "*net.OpError", Message: "Dial failed: host " + id + " refused"},
		})
	}
	page, err := dlq.NewManager(f, quiet).List(t.Context(), "events", dlq.Query{Filter: filter})
	require.NoError(t, err)
	for _, e := range page.Entries {
		ids = append(ids, e.MessageID)
	}
	return ids
}

func TestFilter(t *testing.T) {
	t.Parallel()
	two, three := 2, 3
	with := func(path, value string) dlq.Filter { return dlq.Filter{Attributes: map[string]string{path: value}} }
	for name, c := range map[string]struct {
		filter dlq.Filter
		want   []string
	}{
		"all":                     {dlq.Filter{}, []string{"1", "2", "3", "4", "5", "6"}},
		"event":                   {dlq.Filter{CorrelationID: "event-2"}, []string{"2"}},
		"error in any case":       {dlq.Filter{Error: "HOST 3"}, []string{"3"}},
		"type of error":           {dlq.Filter{Error: "operror"}, []string{"1", "2", "3", "4", "5", "6"}},
		"text in a payload":       {dlq.Filter{Text: "json AT"}, []string{"4"}},
		"text in an error":        {dlq.Filter{Text: "host 1"}, []string{"1"}},
		"text in an id":           {dlq.Filter{Text: "EVENT-5"}, []string{"5"}},
		"action":                  {dlq.Filter{Action: "point_add"}, []string{"1"}}, // 3 is not JSON
		"string":                  {with("data.tier", "Gold"), []string{"1"}},
		"string in another case":  {with("data.tier", "gold"), nil},
		"number as it was sent":   {with("data.points", "12.5"), []string{"2"}},
		"number":                  {with("data.points", "12.50"), []string{"1"}},
		"null":                    {with("data.nothing", "null"), []string{"2"}},
		"element":                 {with("data.tags.1", "b"), []string{"1"}},
		"dot in a name":           {with(`data.a\.b`, "true"), []string{"1"}},
		"absent":                  {with("data.absent", ""), nil},
		"no wildcard":             {with("a*", "star"), []string{"5"}},
		"no single wildcard":      {with("a?", "other"), nil},
		"no count":                {with("#", "sharp"), []string{"5"}},
		"no modifier":             {with("@this", "at"), []string{"5"}},
		"no end of nesting":       {with("deep.0.0.0", "x"), nil},
		"no pipe":                 {with("data|tier", "Gold"), nil},
		"job":                     {dlq.Filter{Job: "job-3"}, []string{"3"}},
		"redriven often":          {dlq.Filter{MinRedrives: &three}, []string{"4", "5", "6"}},
		"redriven seldom":         {dlq.Filter{MaxRedrives: &two}, []string{"1", "2", "3"}},
		"redriven so often":       {dlq.Filter{MinRedrives: &two, MaxRedrives: &three}, []string{"3", "4"}},
		"all that is set applies": {dlq.Filter{Action: "point_add", Error: "host 2"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.ElementsMatch(t, c.want, found(t, c.filter))
		})
	}
}

func TestFilterValidate(t *testing.T) {
	t.Parallel()
	long, now := strings.Repeat("x", dlq.MaxFilterText+1), time.Now()
	many := map[string]string{}
	for i := range dlq.MaxAttributes + 1 {
		many[strings.Repeat("x", i+1)] = ""
	}
	for name, filter := range map[string]dlq.Filter{
		"q must have": {Text: long}, "error must have": {Error: long}, "correlation_id must have": {CorrelationID: long},
		"from must be before to": {From: now, To: now}, "attributes must be": {Attributes: many},
		"ids must be at most": {IDs: make(dlq.IDs, dlq.MaxIDs+1)}, "ids must be positive": {IDs: dlq.IDs{1, 0}},
		"up_to must be positive": {UpTo: -1},
		"an attribute's path":    {Attributes: map[string]string{"": "x"}},
	} {
		require.ErrorContains(t, filter.Validate(), name)
		_, err := dlq.NewManager(&fake{}, quiet).List(t.Context(), "events", dlq.Query{Filter: filter})
		require.ErrorIs(t, err, dlq.ErrBadFilter)
	}
	require.NoError(t, (&dlq.Filter{}).Validate())
}

// A filter comes back as it was from its text, and a text that is none is refused: it would mean other entries.
func TestFilterCriteria(t *testing.T) {
	t.Parallel()
	none := dlq.Filter{}
	text, err := none.Criteria()
	require.NoError(t, err)
	assert.Empty(t, text)
	filter := dlq.Filter{
		IDs: dlq.IDs{1 << 60, 2}, UpTo: 1 << 60, Text: "a", From: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC), Attributes: map[string]string{"x.y": "1"},
	}
	text, err = filter.Criteria()
	require.NoError(t, err)
	back, err := dlq.ParseCriteria(text)
	require.NoError(t, err)
	assert.Equal(t, filter, back)
	assert.Contains(t, text, `"ids":["1152921504606846976","2"]`)
	assert.Contains(t, text, `"up_to":"1152921504606846976"`)
	for _, bad := range []string{`{"other":1}`, `{"up_to":1}`, `{"up_to":"x"}`, `{"ids":[1]}`, `{"ids":["x"]}`, `{"q":1}`, `[]`, `x`} {
		_, err = dlq.ParseCriteria(bad)
		require.Error(t, err, bad)
	}
}

// Entries that were selected are found, counted, exported, moved and erased, and no others: those that are gone are passed over, and one
// that is named twice is one.
func TestSelectedEntries(t *testing.T) {
	t.Parallel()
	f := &fake{}
	for range 3000 {
		f.add(dlq.Entry{Queue: "events"})
	}
	m, all := dlq.NewManager(f, quiet), f.all()
	filter := dlq.Filter{IDs: dlq.IDs{all[2500].ID, all[7].ID, all[7].ID, 1 << 40}}
	want := []dlq.Entry{all[7], all[2500]}
	page, err := m.List(t.Context(), "events", dlq.Query{Filter: filter})
	require.NoError(t, err)
	assert.Equal(t, want, page.Entries)
	assert.True(t, page.Complete)
	var exported []dlq.Entry
	for entry, err := range filter.Select(func(yield func(dlq.Entry, error) bool) {
		for _, e := range all {
			if !yield(e, nil) {
				return
			}
		}
	}) {
		require.NoError(t, err)
		exported = append(exported, entry)
	}
	assert.Equal(t, want, exported)
	criteria, err := filter.Criteria()
	require.NoError(t, err)
	total, upTo, err := m.Bound(t.Context(), "events", criteria)
	require.NoError(t, err)
	assert.EqualValues(t, 2, total)
	moved, err := m.Move(t.Context(), retry.Batch{Queue: "events", Criteria: criteria, UpTo: upTo, Limit: 1})
	require.NoError(t, err)
	assert.Equal(t, retry.Moved{Count: 1, After: all[7].ID}, moved)
	var differs *dlq.CountError
	_, err = m.Erase(t.Context(), "events", filter, 2)
	require.ErrorAs(t, err, &differs, "one of them was moved")
	erased, err := m.Erase(t.Context(), "events", filter, 1)
	require.NoError(t, err)
	assert.EqualValues(t, 1, erased)
	assert.Len(t, f.all(), 2998)
}

// A search reads so much for a page and no more, says so, and finds everything in the end, each entry once.
func TestSearchIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // where no time goes by
		f := &fake{}
		for i := range 25_000 {
			text := "hay"
			if i%12_000 == 11_999 {
				text = "needle"
			}
			f.add(dlq.Entry{Queue: "events", Failure: dlq.Failure{Message: text}})
		}
		m := dlq.NewManager(f, quiet)
		query := dlq.Query{Filter: dlq.Filter{Error: "needle"}}
		var pages []int
		var ids []int64
		for done := false; !done; done = query.Cursor == "" {
			page, err := m.List(t.Context(), "events", query)
			require.NoError(t, err)
			assert.Equal(t, page.NextCursor == "", page.Complete)
			for _, e := range page.Entries {
				ids = append(ids, e.ID)
			}
			pages, query.Cursor = append(pages, len(page.Entries)), page.NextCursor
		}
		assert.Equal(t, []int{0, 1, 1}, pages)
		assert.Equal(t, []int64{12_000, 24_000}, ids)

		query.Limit = 1
		page, err := m.List(t.Context(), "events", query)
		require.NoError(t, err)
		assert.Empty(t, page.Entries)
		query.Cursor = page.NextCursor
		page, err = m.List(t.Context(), "events", query)
		require.NoError(t, err)
		assert.Len(t, page.Entries, 1)
		assert.True(t, page.Complete, "the page is full")
		assert.NotEmpty(t, page.NextCursor)
	})
}

// Erasing what was found takes that, and only after its count was confirmed.
func TestManagerEraseFound(t *testing.T) {
	t.Parallel()
	m, f := filled(t, 0)
	for i := range 2_500 {
		f.add(dlq.Entry{Queue: "events", Failure: dlq.Failure{Message: []string{"one", "other"}[i%2]}})
	}
	filter := dlq.Filter{Error: "one"}
	_, err := m.Erase(t.Context(), "events", filter, 2_500)
	var count *dlq.CountError
	require.ErrorAs(t, err, &count)
	assert.EqualValues(t, 1_250, count.Present)
	assert.Empty(t, f.erases)

	f.onErase = func() { f.add(dlq.Entry{Queue: "events", Failure: dlq.Failure{Message: "one"}}) }
	erased, err := m.Erase(t.Context(), "events", filter, 1_250)
	require.NoError(t, err)
	assert.EqualValues(t, 1_250, erased)
	for _, e := range f.all() {
		assert.True(t, e.Failure.Message == "other" || e.ID > 2_500, "what came in meanwhile stays")
	}
}
