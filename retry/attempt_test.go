package retry_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/redrive-go/redrive/retry"
)

func TestHistoryKeepsFirstAndLatest(t *testing.T) {
	t.Parallel()
	var h retry.History
	for n := 1; n <= 3*retry.MaxHistory; n++ {
		h = h.Append(retry.Attempt{Number: n, Error: "x"})
		assert.Equal(t, n, h.Last())
	}
	require.Len(t, h, retry.MaxHistory)
	assert.Equal(t, 1, h[0].Number)
	for i := 1; i < len(h); i++ {
		assert.Equal(t, 2*retry.MaxHistory+i+1, h[i].Number)
	}
}

func TestHistoryAppendLeavesTheOriginal(t *testing.T) {
	t.Parallel()
	base := make(retry.History, 1, 10)
	base[0].Number = 1
	a, b := base.Append(retry.Attempt{Number: 2}), base.Append(retry.Attempt{Number: 3})
	assert.Len(t, base, 1)
	assert.Equal(t, 2, a.Last())
	assert.Equal(t, 3, b.Last())
	assert.Zero(t, retry.History(nil).Last())
}

func TestHistoryCutsErrors(t *testing.T) {
	t.Parallel()
	h := retry.History{}.Append(retry.Attempt{Number: 1, Error: strings.Repeat("ü", 1<<20)})
	assert.LessOrEqual(t, len(h[0].Error), retry.MaxErrorText)
	assert.Less(t, len(h.String()), 2*retry.MaxErrorText)
}

func TestHistoryRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var h retry.History
		for n := range rapid.IntRange(0, 5).Draw(t, "attempts") {
			h = h.Append(retry.Attempt{
				Number:         n + 1,
				StartedAt:      time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "started"), 123456789).UTC(),
				DurationMS:     rapid.Int64().Draw(t, "duration"),
				Error:          rapid.String().Draw(t, "error"),
				ResponseStatus: rapid.IntRange(0, 599).Draw(t, "status"),
				ResponseBody:   rapid.String().Draw(t, "body"),
				Redrive:        rapid.IntRange(0, 3).Draw(t, "redrive"),
				RedrivenAt:     rapid.SampledFrom([]time.Time{{}, time.Unix(1, 5000).UTC()}).Draw(t, "redriven at"),
				Job:            rapid.SampledFrom([]string{"", "job-1"}).Draw(t, "job"),
			})
		}
		got, err := retry.ParseHistory(h.String())
		require.NoError(t, err)
		assert.Equal(t, h, got)
		usual, err := json.Marshal([]retry.Attempt(h))
		require.NoError(t, err)
		if len(h) > 0 {
			assert.JSONEq(t, string(usual), h.String())
		}
	})
	assert.Empty(t, retry.History{}.String())
}

func FuzzParseHistory(f *testing.F) {
	f.Add("")
	f.Add(`[{"number":1,"started_at":"2026-01-02T03:04:05Z","duration_ms":5,"error":"x"}]`)
	f.Add(`[{"number":"1"}]`)
	f.Add(`null`)
	f.Fuzz(func(t *testing.T, text string) {
		h, err := retry.ParseHistory(text)
		if err != nil {
			assert.ErrorContains(t, err, "retry: attempt history")
			return
		}
		again, err := retry.ParseHistory(h.String())
		require.NoError(t, err)
		assert.Equal(t, h.String(), again.String())
	})
}

func FuzzCutText(f *testing.F) {
	f.Add("short")
	f.Add("\xff\xfe")
	f.Add(strings.Repeat("€", 1000))
	f.Add(strings.Repeat("\x80", 3000))
	f.Add(strings.Repeat("a\xff", 1024))
	f.Fuzz(func(t *testing.T, text string) {
		got := retry.CutText(text)
		assert.True(t, utf8.ValidString(got))
		assert.LessOrEqual(t, len(got), retry.MaxErrorText)
		if len(text) <= retry.MaxErrorText && utf8.ValidString(text) {
			assert.Equal(t, text, got)
		}
	})
}

func TestDeliveryOf(t *testing.T) {
	t.Parallel()
	accepted := time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)
	msg := message.NewMessage("uuid", nil)
	assert.Equal(t, retry.Delivery{CorrelationID: "uuid"}, retry.DeliveryOf(msg), "no metadata of ours")

	history := retry.History{{Number: 1, StartedAt: accepted, Error: "x"}}
	msg.Metadata = message.Metadata{
		retry.MetadataAttempt: "2", retry.MetadataRedrives: "3", retry.MetadataHistory: history.String(),
		retry.MetadataAcceptedAt: accepted.Format(time.RFC3339Nano), retry.MetadataCorrelationID: "corr",
	}
	assert.Equal(t, retry.Delivery{Attempt: 2, Redrives: 3, History: history, AcceptedAt: accepted, CorrelationID: "corr"},
		retry.DeliveryOf(msg))

	for key := range msg.Metadata {
		msg.Metadata[key] = "{damaged"
	}
	assert.Equal(t, retry.Delivery{CorrelationID: "{damaged"}, retry.DeliveryOf(msg))
}
