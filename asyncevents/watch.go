package asyncevents

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/redrive-go/redrive/dlq"
)

// watch looks at the DLQs until ctx ends, and raises alarms.
func (s *Service) watch(ctx context.Context) error {
	if s.cfg.Alarms == nil {
		return nil
	}
	defer s.raised.clear()
	h := newHerald(s.cfg.Alarms.Notify, s.cfg.Logger)
	var telling sync.WaitGroup
	telling.Go(func() { h.run(ctx) })
	defer telling.Wait()
	watches := make([]*watch, 0, 2)
	for _, queue := range Queues() {
		watches = append(watches, &watch{
			Alarms: *s.cfg.Alarms, queue: queue, stat: s.letters.Stat, log: s.cfg.Logger,
			telemetry: s.telemetry, raised: &s.raised, tell: h.hand, told: map[AlarmKind]time.Time{},
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
	queue     string
	stat      func(context.Context, string) (dlq.Stats, error)
	log       *slog.Logger
	telemetry *telemetry
	raised    *raisedAlarms
	tell      func(context.Context, Alarm)
	told      map[AlarmKind]time.Time // when an alarm that is raised was last told
	blind     int                     // looks in a row that failed
	depths    []depthAt               // of the last minute, the oldest first
}

// depthAt is how many entries a DLQ held.
type depthAt struct {
	at    time.Time
	count int64
}

func (w *watch) look(ctx context.Context) {
	stats, err := w.size(ctx)
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
	w.judge(ctx, AlarmGrowth, w.growth(stats.Count), float64(w.MaxGrowth))
}

func (w *watch) size(ctx context.Context) (dlq.Stats, error) {
	ctx, cancel := context.WithTimeout(ctx, alarmLook)
	defer cancel()
	return w.stat(ctx, w.queue)
}

// growth is by how many entries a minute the DLQ grew, net of what was moved or erased meanwhile. Less than a minute counts as
// one, so that a few entries just after the start are no flood, and more as what it is.
func (w *watch) growth(count int64) float64 {
	now := time.Now()
	w.depths = append(w.depths, depthAt{now, count})
	for len(w.depths) > 1 && now.Sub(w.depths[1].at) >= growthSpan {
		w.depths = w.depths[1:]
	}
	first := w.depths[0]
	return max(0, float64(count-first.count)) / max(now.Sub(first.at), growthSpan).Minutes()
}

// judge raises, repeats or ends an alarm. One is over when what is seen is well below the limit.
func (w *watch) judge(ctx context.Context, kind AlarmKind, value, limit float64) {
	if limit <= 0 {
		return
	}
	told, held := w.told[kind]
	raised := value > limit || held && value > limit*alarmClear
	w.telemetry.alarm(ctx, w.queue, kind, raised)
	now := time.Now()
	alarm := Alarm{Queue: w.queue, Kind: kind, Raised: raised, Value: value, Limit: limit, At: now.UTC()}
	w.raised.note(alarm)
	if raised == held && (!raised || w.Repeat == 0 || now.Sub(told) < w.Repeat) {
		return
	}
	if raised {
		w.told[kind] = now
	} else {
		delete(w.told, kind)
	}
	w.log.WarnContext(ctx, alarm.String(), "queue", w.queue, "kind", kind, "raised", raised, "value", value, "limit", limit)
	w.tell(ctx, alarm)
}
