package management

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/redrive-go/redrive/asyncevents"
)

// alarmed is an alarm of each kind.
var alarmed = []asyncevents.Alarm{
	{Queue: "events", Kind: asyncevents.AlarmDepth, Raised: true, Value: 12345, Limit: 1000, At: noon},
	{Queue: "events", Kind: asyncevents.AlarmAge, Raised: true, Value: 5400, Limit: 3600, At: noon},
	{Queue: "callbacks", Kind: asyncevents.AlarmGrowth, Raised: true, Value: 70, Limit: 60, At: noon},
	{Queue: "callbacks", Kind: asyncevents.AlarmUnknown, Raised: true, Value: 4, Limit: 2, At: noon},
}

// TestOverviewTellsWhatGoesOn says which alarms hold, what went through the queues, how the depth moved and what is being written.
func TestOverviewTellsWhatGoesOn(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	page := textOf(t, b.do(http.MethodGet, "", "").text)
	assert.Contains(t, page, "No history is kept yet.")
	assert.NotContains(t, page, "Last 5 minutes")
	assert.NotContains(t, page, "Alarm:")
	assert.Contains(t, page, "None at the moment.")

	b.addMany(2)
	b.alarms = alarmed
	noted := asyncevents.Traffic{Accepted: 1500, Done: 1400, Again: 30, Dead: 2}
	require.NoError(t, b.backend.Traffic.Note(t.Context(), "events", noted))
	require.Equal(t, http.StatusAccepted, b.do(http.MethodPost, "api/queues/events/exports", "").Code)
	for _, path := range []string{"", "live"} {
		page := strings.Join(strings.Fields(strings.ReplaceAll(textOf(t, b.do(http.MethodGet, path, "").text), "data:", "")), " ")
		for _, says := range []string{
			"Alarm: the Events DLQ holds 12,345 entries, more than 1,000.",
			"Alarm: the Events DLQ has an entry that is 1h30m0s old, older than 1h0m0s.",
			"Alarm: the Callbacks DLQ grows by 70 entries a minute, more than 60.",
			"Alarm: the Callbacks DLQ cannot be looked into: 4 looks in a row failed.",
			"Last 5 minutes 1,500 accepted 1,400 done 30 failed, tried again 2 dead-lettered",
			"Events DLQ, as json: 0",
		} {
			assert.Contains(t, page, says, path)
		}
	}
	root, err := html.Parse(strings.NewReader(b.do(http.MethodGet, "", "").text))
	require.NoError(t, err)
	drawings := 0
	for node := range root.Descendants() {
		if node.DataAtom != atom.Svg {
			continue
		}
		drawings++
		assert.Equal(t, "img", attribute(node, "role"))
		assert.Equal(t, "events-chart-words", attribute(node, "aria-labelledby"), "a screen reader is told the same in words")
	}
	assert.Equal(t, 1, drawings, "nothing was noted of the other queue")
	assert.Contains(t, b.do(http.MethodGet, "", "").text, `<figcaption id="events-chart-words">Events DLQ over the last 24 hours: 2 at `)
}

// TestTrafficAndAlarmsByTheAPI are what the overview shows.
func TestTrafficAndAlarmsByTheAPI(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	assert.JSONEq(t, `{"alarms":[]}`, b.do(http.MethodGet, "api/alarms", "").text)
	assert.JSONEq(t, `{"minutes":[]}`, b.do(http.MethodGet, "api/queues/events/traffic", "").text)
	b.alarms = alarmed[:1]
	assert.JSONEq(t, `{"alarms":[{"queue":"events","kind":"depth","value":12345,"limit":1000,"at":"2026-05-04T12:00:00Z"}]}`,
		b.do(http.MethodGet, "api/alarms", "").text)
	b.addMany(3)
	require.NoError(t, b.backend.Traffic.Note(t.Context(), "events", asyncevents.Traffic{Accepted: 4, Done: 3, Again: 2, Dead: 1}))
	got := decode[trafficList](t, b.do(http.MethodGet, "api/queues/events/traffic", ""))
	require.Len(t, got.Minutes, 1)
	minute := got.Minutes[0]
	assert.WithinDuration(t, time.Now(), minute.At, 2*time.Minute)
	assert.Equal(t, asyncevents.Traffic{At: minute.At, Depth: 3, Accepted: 4, Done: 3, Again: 2, Dead: 1}, minute)
	later := minute.At.Add(time.Second).Format(time.RFC3339)
	assert.JSONEq(t, `{"minutes":[]}`, b.do(http.MethodGet, "api/queues/events/traffic?from="+later, "").text)
	assert.Equal(t, http.StatusBadRequest, b.do(http.MethodGet, "api/queues/events/traffic?from=today", "").Code)
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0", 999: "999", 1000: "1,000", -1000: "-1,000", -999: "-999", 123456: "123,456", 1234567: "1,234,567",
	} {
		assert.Equal(t, want, number(n))
	}
}
