package asyncevents

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/redrive-go/redrive/dlq"
)

// watch looks at the DLQs until ctx ends, and raises alarms.
func (s *Service) watch(ctx context.Context) error {
	if s.cfg.Alarms == nil {
		return nil
	}
	watches := make([]*watch, 0, 2)
	for _, queue := range Queues() {
		watches = append(watches, &watch{
			Alarms: *s.cfg.Alarms, queue: queue, stat: s.letters.Stat, log: s.cfg.Logger, raised: map[AlarmKind]bool{},
		})
	}
	ticker := time.NewTicker(cmp.Or(s.cfg.Alarms.Interval, DefaultAlarmInterval))
	defer ticker.Stop()
	for {
		for _, w := range watches {
			w.look(ctx)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// watch is what is remembered of a DLQ between two looks.
type watch struct {
	Alarms
	queue  string
	stat   func(context.Context, string) (dlq.Stats, error)
	log    *slog.Logger
	raised map[AlarmKind]bool
	blind  int       // looks in a row that failed
	depths []depthAt // of the last minute, the oldest first
	busy   chan struct{}
}

// depthAt is how many entries a DLQ held.
type depthAt struct {
	at    time.Time
	count int64
}

func (w *watch) look(ctx context.Context) {
	stats, err := w.stat(ctx, w.queue)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		if w.blind++; w.blind == 1 {
			w.log.WarnContext(ctx, "a DLQ cannot be looked into for alarms", "queue", w.queue, "error", err)
		}
		w.judge(ctx, AlarmUnknown, float64(w.blind), alarmBlind-1)
		return
	}
	w.blind = 0
	w.judge(ctx, AlarmUnknown, 0, alarmBlind-1)
	w.judge(ctx, AlarmDepth, float64(stats.Count), float64(w.MaxDepth))
	age := time.Duration(0)
	if !stats.OldestAt.IsZero() {
		age = time.Since(stats.OldestAt)
	}
	w.judge(ctx, AlarmAge, age.Seconds(), w.MaxAge.Seconds())
	w.judge(ctx, AlarmGrowth, float64(w.growth(stats.Count)), float64(w.MaxGrowth))
}

// growth is by how many entries the DLQ grew within the last minute. What was moved or erased meanwhile does not count for it.
func (w *watch) growth(count int64) int64 {
	now := time.Now()
	for len(w.depths) > 1 && now.Sub(w.depths[1].at) >= growthSpan {
		w.depths = w.depths[1:]
	}
	w.depths = append(w.depths, depthAt{now, count})
	return max(0, count-w.depths[0].count)
}

// judge raises or ends an alarm. One is over when what is seen is well below the limit.
func (w *watch) judge(ctx context.Context, kind AlarmKind, value, limit float64) {
	raised := value > limit || w.raised[kind] && value > limit*alarmClear
	if limit <= 0 || raised == w.raised[kind] {
		return
	}
	w.raised[kind] = raised
	alarm := Alarm{Queue: w.queue, Kind: kind, Raised: raised, Value: value, Limit: limit, At: time.Now().UTC()}
	w.log.WarnContext(ctx, alarm.String(), "queue", w.queue, "kind", kind, "raised", raised, "value", value, "limit", limit)
	if w.Notify != nil {
		w.notify(ctx, alarm)
	}
}

// notify tells the host. A call that does not return in time is left alone, and the next one waits for it as long.
func (w *watch) notify(ctx context.Context, alarm Alarm) {
	ctx, cancel := context.WithTimeout(ctx, alarmPatience)
	defer cancel()
	if !ended(ctx, w.busy) {
		w.log.ErrorContext(ctx, "nobody was told of an alarm: an earlier call of Notify has not returned", "alarm", alarm.String())
		return
	}
	done := make(chan struct{})
	w.busy = done
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				w.log.ErrorContext(ctx, "Notify panicked", "alarm", alarm.String(), "panic", fmt.Sprint(p))
			}
		}()
		w.Notify(ctx, alarm)
	}()
	ended(ctx, done)
}

// ended waits until a call has ended, or ctx. A nil channel is of no call.
func ended(ctx context.Context, done chan struct{}) bool {
	if done == nil {
		return true
	}
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}
