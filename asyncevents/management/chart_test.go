package management

import (
	"math"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"

	"github.com/redrive-go/redrive/asyncevents"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// ago is a minute of a day before noon.
func ago(minutes int, depth int64) asyncevents.Traffic {
	return asyncevents.Traffic{At: noon.Add(time.Duration(-minutes) * time.Minute), Depth: depth}
}

func TestChart(t *testing.T) {
	t.Parallel()
	assert.Nil(t, newChart("events", nil, 3, noon), "there is nothing to see yet")
	for name, c := range map[string]struct {
		minutes      []asyncevents.Traffic
		now          int64
		line, ground string
		words        string
	}{
		"it grows": {
			[]asyncevents.Traffic{ago(4, 0), ago(2, 50)}, 100, "M718 100L718 100L719 52L720 4", "M718 100L718 100L719 52L720 4V100Z",
			"Events DLQ over the last 24 hours: 0 at 2026-05-04 11:56:00 UTC, at most 100 at 2026-05-04 12:00:00 UTC, and 100 now.",
		},
		"empty": {
			[]asyncevents.Traffic{ago(2, 0)}, 0, "M719 100L719 100L720 100", "M719 100L719 100L720 100V100Z",
			"Events DLQ over the last 24 hours: 0 at 2026-05-04 11:58:00 UTC, and 0 now.",
		},
		"the highest of a place": {
			[]asyncevents.Traffic{ago(6, 0), ago(4, 1000), ago(3, 500), ago(1, 0)}, 0, "M717 100L717 100L718 4L719 100L720 100",
			"M717 100L717 100L718 4L719 100L720 100V100Z",
			"Events DLQ over the last 24 hours: 0 at 2026-05-04 11:54:00 UTC, at most 1,000 at 2026-05-04 11:56:00 UTC, and 0 now.",
		},
		"nobody was there for an hour": {
			[]asyncevents.Traffic{ago(1440, 4), ago(64, 4), ago(4, 4)}, 4, "M0 4L0 4M688 4L688 4M718 4L718 4L720 4",
			"M0 100L0 4V100ZM688 100L688 4V100ZM718 100L718 4L720 4V100Z",
			"Events DLQ over the last 24 hours: 4 at 2026-05-03 12:00:00 UTC, at most 4 at 2026-05-03 12:00:00 UTC, and 4 now.",
		},
	} {
		drawn := newChart("events", c.minutes, c.now, noon)
		assert.Equal(t, c.line, drawn.Line, name)
		assert.Equal(t, c.ground, drawn.Ground, name)
		assert.Equal(t, c.words, drawn.Words, name)
	}
}

var point = regexp.MustCompile(`[ML](\d+) (\d+)`)

// TestChartStaysWithin draws any day: no point lies outside, each is to the right of the one before, the peak is drawn, and the paths stay
// small.
func TestChartStaysWithin(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var minutes []asyncevents.Traffic
		for at := rapid.IntRange(0, 1500).Draw(t, "began"); at > 0; at -= rapid.SampledFrom([]int{1, 1, 1, 1, 7}).Draw(t, "pause") {
			minutes = append(minutes, ago(at, rapid.Int64Range(0, math.MaxInt64).Draw(t, "depth")))
		}
		if len(minutes) == 0 {
			return
		}
		c := newChart("events", minutes, 0, noon)
		before, highest := -1, chartHeight
		for _, p := range point.FindAllStringSubmatch(c.Line, -1) {
			x, _ := strconv.Atoi(p[1])
			y, _ := strconv.Atoi(p[2])
			if x < before || x > chartWidth || y < 0 || y > chartHeight {
				t.Fatalf("%s lies outside", p[0])
			}
			before, highest = x, min(highest, y)
		}
		if before != chartWidth || highest > 5 && c.Top > 0 {
			t.Fatalf("it ends at %d, and its peak is at %d", before, highest)
		}
		if len(c.Line) > 16<<10 {
			t.Fatalf("the line has %d bytes", len(c.Line))
		}
	})
}
