package memory

import (
	"context"
	"slices"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
)

// traffic keeps what went through the queues. It implements asyncevents.TrafficLog.
type traffic struct {
	*state
	minutes map[string][]asyncevents.Traffic // of each queue, the oldest first
}

// Note adds counts to the present minute.
func (l *traffic) Note(ctx context.Context, queue string, noted asyncevents.Traffic) error {
	if err := l.lock(ctx, "note the traffic of %q", queue); err != nil {
		return err
	}
	defer l.mu.Unlock()
	at := time.Now().UTC().Truncate(time.Minute)
	minutes := l.minutes[queue]
	if len(minutes) == 0 || minutes[len(minutes)-1].At.Before(at) {
		minutes = append(since(minutes, at.Add(-asyncevents.TrafficKept)), asyncevents.Traffic{At: at})
	}
	m := &minutes[len(minutes)-1]
	m.Depth = l.dlq(queue).count
	m.Accepted += noted.Accepted
	m.Done += noted.Done
	m.Again += noted.Again
	m.Dead += noted.Dead
	l.minutes[queue] = minutes
	return nil
}

// Since returns the minutes from a time on.
func (l *traffic) Since(ctx context.Context, queue string, from time.Time) ([]asyncevents.Traffic, error) {
	if err := l.lock(ctx, "read the traffic of %q", queue); err != nil {
		return nil, err
	}
	defer l.mu.Unlock()
	return slices.Clone(since(l.minutes[queue], from)), nil
}

// since is those of the minutes that begin at from or later.
func since(minutes []asyncevents.Traffic, from time.Time) []asyncevents.Traffic {
	first, _ := slices.BinarySearchFunc(minutes, from, func(m asyncevents.Traffic, from time.Time) int { return m.At.Compare(from) })
	return minutes[first:]
}
