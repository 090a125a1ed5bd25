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
}

func (d *watched) watch(a Alarms) *watch {
	if a.Notify == nil {
		a.Notify = func(_ context.Context, alarm Alarm) { d.alarms = append(d.alarms, alarm) }
	}
	return &watch{
		Alarms: a, queue: EventsQueue, raised: map[AlarmKind]bool{}, log: slog.New(slog.NewTextHandler(&d.log, nil)),
		stat: func(context.Context, string) (dlq.Stats, error) { return d.stats, d.err },
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
		w := d.watch(Alarms{MaxDepth: 100, MaxAge: time.Hour})
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
		d.stats.OldestAt = time.Time{}
		assert.Equal(t, []string{"-age"}, at(0))
		assert.Equal(t, 4, strings.Count(d.log.String(), "level=WARN"))
	})
}

// Growth is that of the last minute, however often it is looked.
func TestAlarmOfGrowth(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d watched
		w := d.watch(Alarms{MaxGrowth: 50})
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
	w := d.watch(Alarms{MaxDepth: 1})
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

// A Notify that panics or hangs stops nothing.
func TestNotifyThatMisbehaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d watched
		release := make(chan struct{})
		calls := 0
		w := d.watch(Alarms{MaxDepth: 1, Notify: func(context.Context, Alarm) {
			if calls++; calls == 1 {
				panic("boom")
			}
			<-release
		}})
		at := func(depth int64) time.Duration {
			d.stats.Count = depth
			began := time.Now()
			w.look(t.Context())
			return time.Since(began)
		}
		assert.Zero(t, at(2))
		assert.Contains(t, d.log.String(), "boom")
		assert.Equal(t, 10*time.Second, at(0), "it hangs, and is left alone")
		assert.Equal(t, 10*time.Second, at(2))
		assert.Contains(t, d.log.String(), "nobody was told")
		close(release)
		assert.Zero(t, at(0))
		assert.Equal(t, 3, calls)
	})
}

func TestAlarmsValidate(t *testing.T) {
	t.Parallel()
	var none *Alarms
	require.NoError(t, none.validate())
	require.NoError(t, (&Alarms{}).validate())
	require.ErrorContains(t, (&Alarms{MaxAge: -1}).validate(), "Alarms.MaxAge must not be negative")
}
