package asyncevents

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/dlq"
)

// watched is a DLQ of which a test says how it stands.
type watched struct {
	stats  dlq.Stats
	err    error
	alarms []Alarm
	log    strings.Builder
	raised raisedAlarms
}

func (d *watched) watch(t *testing.T, a Alarms) *watch {
	t.Helper()
	s := &Service{cfg: (&Config{}).WithDefaults()}
	telemetry, err := newTelemetry(s)
	require.NoError(t, err)
	return &watch{
		Alarms: a, queue: EventsQueue, told: map[AlarmKind]time.Time{}, log: slog.New(slog.NewTextHandler(&d.log, nil)),
		stat:      func(context.Context, string) (dlq.Stats, error) { return d.stats, d.err },
		telemetry: telemetry, raised: &d.raised, tell: func(_ context.Context, alarm Alarm) { d.alarms = append(d.alarms, alarm) },
	}
}

// told is what was told since the last call: a sign and the kind of each alarm.
func (d *watched) told() (kinds []string) {
	for _, a := range d.alarms {
		kinds = append(kinds, map[bool]string{true: "+", false: "-"}[a.Raised]+string(a.Kind))
	}
	d.alarms = nil
	return kinds
}

// Alarms are told when they begin and when they end, which is at nine tenths of the limit.
func TestAlarmsAreToldOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d watched
		w := d.watch(t, Alarms{MaxDepth: 100, MaxAge: time.Hour})
		at := func(depth int64) []string {
			d.stats.Count = depth
			w.look(t.Context())
			return d.told()
		}
		assert.Empty(t, at(100))
		assert.Equal(t, []string{"+depth"}, at(101))
		assert.Empty(t, at(5_000))
		assert.Empty(t, at(91), "it does not flutter")
		assert.Equal(t, []string{"-depth"}, at(90))
		assert.Empty(t, at(100))
		d.stats.OldestAt = time.Now().Add(-2 * time.Hour)
		assert.Equal(t, []string{"+age"}, at(100))
		require.Len(t, d.raised.list(), 1)
		assert.Equal(t, AlarmAge, d.raised.list()[0].Kind)
		d.stats.OldestAt = time.Time{}
		assert.Equal(t, []string{"-age"}, at(0))
		assert.Empty(t, d.raised.list())
		assert.Equal(t, 4, strings.Count(d.log.String(), "level=WARN"))
	})
}

// Growth is that of the last minute, however often it is looked.
func TestAlarmOfGrowth(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d watched
		w := d.watch(t, Alarms{MaxGrowth: 50})
		var told []string
		for second := range 300 {
			if second < 120 {
				d.stats.Count++ // 60 a minute
			}
			w.look(t.Context())
			told = append(told, d.told()...)
			time.Sleep(time.Second)
		}
		assert.Equal(t, []string{"+growth", "-growth"}, told)
		d.stats.Count = 0
		w.look(t.Context())
		assert.Empty(t, d.told(), "a DLQ that was emptied does not grow")
	})
}

// A store that does not answer is an alarm of its own: nobody sees the others.
func TestAlarmOfBlindness(t *testing.T) {
	t.Parallel()
	var d watched
	w := d.watch(t, Alarms{MaxDepth: 1})
	d.err = errors.New("store is down")
	for range 2 {
		w.look(t.Context())
	}
	assert.Empty(t, d.told())
	for range 5 {
		w.look(t.Context())
	}
	assert.Equal(t, []string{"+unknown"}, d.told())
	d.err = nil
	w.look(t.Context())
	assert.Equal(t, []string{"-unknown"}, d.told())
	assert.Equal(t, 1, strings.Count(d.log.String(), "cannot be looked into"))
}

// A store that hangs is one that does not answer.
func TestAlarmOfHangingStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d watched
		w := d.watch(t, Alarms{MaxDepth: 1})
		w.stat = func(ctx context.Context, _ string) (dlq.Stats, error) {
			<-ctx.Done()
			return dlq.Stats{}, ctx.Err()
		}
		began := time.Now()
		for range alarmBlind {
			w.look(t.Context())
		}
		assert.Equal(t, []string{"+unknown"}, d.told())
		assert.Equal(t, alarmBlind*alarmLook, time.Since(began))
	})
}

// What came while nobody could look is spread over that time.
func TestGrowthAcrossAGap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d watched
		w := d.watch(t, Alarms{MaxGrowth: 50})
		w.look(t.Context())
		time.Sleep(10 * time.Minute)
		d.stats.Count = 500 // 50 a minute
		w.look(t.Context())
		assert.Empty(t, d.told())
		time.Sleep(10 * time.Minute)
		d.stats.Count += 510
		w.look(t.Context())
		assert.Equal(t, []string{"+growth"}, d.told())
		assert.Len(t, w.depths, 2, "older ones are forgotten")
	})
}

func TestAlarmsRepeat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d watched
		w := d.watch(t, Alarms{MaxDepth: 1, Repeat: time.Hour})
		d.stats.Count = 2
		for range 3 {
			w.look(t.Context())
			time.Sleep(59 * time.Minute)
			w.look(t.Context())
			assert.Equal(t, []string{"+depth"}, d.told())
			time.Sleep(time.Minute)
		}
	})
}

// telling is a herald at work, and how to stop it.
func telling(t *testing.T, log *strings.Builder, notify func(context.Context, Alarm)) (h *herald, stop func() time.Duration) {
	h = newHerald(notify, slog.New(slog.NewTextHandler(log, nil)))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.run(ctx)
	}()
	return h, func() time.Duration {
		began := time.Now()
		cancel()
		<-done
		return time.Since(began)
	}
}

func TestNotifyThatPanics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		calls := 0
		h, stop := telling(t, &log, func(context.Context, Alarm) {
			calls++
			panic("boom")
		})
		h.hand(t.Context(), Alarm{})
		h.hand(t.Context(), Alarm{})
		synctest.Wait()
		assert.Equal(t, 2, calls)
		assert.Contains(t, log.String(), "panic: boom")
		assert.Zero(t, stop())
	})
}

// A Notify that hangs holds up nobody who hands something over. What waits is told in order once it returns.
func TestNotifyThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		var values []float64
		release := make(chan struct{})
		h, stop := telling(t, &log, func(_ context.Context, a Alarm) {
			<-release
			values = append(values, a.Value)
		})
		h.hand(t.Context(), Alarm{Value: -1})
		time.Sleep(alarmPatience + alarmParting)
		synctest.Wait()
		assert.Equal(t, 1, strings.Count(log.String(), "not returned in time"))
		began := time.Now()
		for i := range alarmsUntold + 1 {
			h.hand(t.Context(), Alarm{Value: float64(i)})
		}
		assert.Zero(t, time.Since(began))
		assert.Equal(t, 1, strings.Count(log.String(), "nobody was told"))
		close(release)
		synctest.Wait()
		require.Len(t, values, alarmsUntold+1)
		assert.IsIncreasing(t, values)
		assert.Zero(t, stop())
	})
}

// A shutdown waits for a Notify that obeys its context, and leaves another one behind.
func TestShutdownDuringNotify(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		over := false
		h, stop := telling(t, &log, func(ctx context.Context, _ Alarm) {
			<-ctx.Done()
			time.Sleep(time.Millisecond)
			over = true
		})
		h.hand(t.Context(), Alarm{})
		synctest.Wait()
		assert.Equal(t, time.Millisecond, stop())
		assert.True(t, over)
		assert.Empty(t, log.String())

		release := make(chan struct{})
		h, stop = telling(t, &log, func(context.Context, Alarm) { <-release })
		h.hand(t.Context(), Alarm{})
		synctest.Wait()
		assert.Equal(t, alarmParting, stop())
		assert.Contains(t, log.String(), "left behind")
		close(release)
	})
}

func TestAlarmsValidate(t *testing.T) {
	t.Parallel()
	var none *Alarms
	require.NoError(t, none.validate())
	require.NoError(t, (&Alarms{}).validate())
	require.ErrorContains(t, (&Alarms{MaxAge: -1}).validate(), "Alarms.MaxAge must not be negative")
}
