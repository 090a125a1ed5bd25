package queue

import "time"

const (
	// flowWindow is how far back the rate of a flow looks at least, once it has gone on for so long: over the time that slow
	// handlers take, some of which may all end together.
	flowWindow = 500 * time.Millisecond
	// flowStart is the time that a flow which has just begun is measured by: what came within a moment says little.
	flowStart = 50 * time.Millisecond
)

// flow tells how many of something come in a second, from a counter of them.
type flow struct{ older, newer reading }

// reading is what the counter said at one time.
type reading struct {
	count int
	at    time.Time
}

// rate takes a reading and returns how many came in a second lately.
func (f *flow) rate(count int, now time.Time) float64 {
	switch {
	case f.newer.at.IsZero():
		f.newer = reading{count, now}
		f.older = f.newer
	case now.Sub(f.newer.at) >= flowWindow:
		f.older, f.newer = f.newer, reading{count, now}
	}
	return float64(count-f.older.count) / max(now.Sub(f.older.at), flowStart).Seconds()
}
