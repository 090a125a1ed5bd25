package asyncevents

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// AlarmKind is what an Alarm is about.
type AlarmKind string

// The kinds of alarms.
const (
	// AlarmDepth is a DLQ that holds more entries than Alarms.MaxDepth.
	AlarmDepth AlarmKind = "depth"
	// AlarmAge is a DLQ whose oldest entry, in seconds, is older than Alarms.MaxAge.
	AlarmAge AlarmKind = "age"
	// AlarmGrowth is a DLQ that grew by more entries a minute than Alarms.MaxGrowth, since a minute ago or, where it could not be
	// looked into meanwhile, since the look before that.
	AlarmGrowth AlarmKind = "growth"
	// AlarmUnknown is a DLQ that could not be looked into several times in a row; Value says how often.
	AlarmUnknown AlarmKind = "unknown"
)

// Alarm is a condition of a DLQ that begins or ends.
type Alarm struct {
	// Queue names the DLQ, Kind the condition.
	Queue string
	Kind  AlarmKind
	// Raised is whether the condition begins, or still holds after Alarms.Repeat; else it ends.
	Raised bool
	// Value is what was seen, Limit what it is compared with.
	Value, Limit float64
	// At is when it was seen.
	At time.Time
}

// String is the alarm in words.
func (a Alarm) String() string {
	what := "is over"
	if a.Raised {
		what = "is raised"
	}
	return fmt.Sprintf("alarm %s of the DLQ of %s %s: %g, and the limit is %g", a.Kind, a.Queue, what, a.Value, a.Limit)
}

// Defaults and limits of Alarms.
const (
	DefaultAlarmInterval = 10 * time.Second

	// alarmBlind is how many looks in a row fail before that is an alarm.
	alarmBlind = 3
	// alarmClear is the part of a limit down to which a raised alarm stays raised, so that it does not flutter.
	alarmClear = 0.9
	// alarmPatience is how long Notify may take.
	alarmPatience = 10 * time.Second
	// alarmParting is how long a shutdown waits for Notify after its context ended.
	alarmParting = time.Second
	// alarmsUntold is how many alarms wait for Notify; there are 8 conditions.
	alarmsUntold = 64
	// alarmLook is how long one look may take: a store that hangs is one that cannot be looked into.
	alarmLook = 5 * time.Second
	// growthSpan is over which time growth is measured.
	growthSpan = time.Minute
)

// Alarms say which conditions of the DLQs are alarms. They drop nothing and refuse nothing. Each replica watches by itself.
type Alarms struct {
	// MaxDepth is the largest number of entries of a DLQ that is no alarm. 0 means that none is.
	MaxDepth int64
	// MaxAge is the largest age of the oldest entry that is no alarm. 0 means that none is.
	MaxAge time.Duration
	// MaxGrowth is the largest number of entries by which a DLQ may grow within a minute without an alarm. 0 means that none is.
	MaxGrowth int64
	// Interval is how often it is looked. Defaults to 10 s.
	Interval time.Duration
	// Repeat is after how long an alarm that still holds is told again. Defaults to never.
	Repeat time.Duration
	// Notify, when not nil, is told when an alarm begins and when it ends, at 90 % of the limit. Its context ends after 10 s, and
	// when that of Run does. One call runs at a time, in order, and watching goes on meanwhile; a panic and a call that takes
	// longer are logged. All alarms are logged besides.
	Notify func(ctx context.Context, alarm Alarm)
}

// validate returns every fault, joined, each naming its field.
func (a *Alarms) validate() error {
	if a == nil {
		return nil
	}
	var faults []error
	for name, value := range map[string]int64{
		"MaxDepth": a.MaxDepth, "MaxAge": int64(a.MaxAge), "MaxGrowth": a.MaxGrowth, "Interval": int64(a.Interval),
		"Repeat": int64(a.Repeat),
	} {
		if value < 0 {
			faults = append(faults, fmt.Errorf("Alarms.%s must not be negative, not %d", name, value))
		}
	}
	return errors.Join(faults...)
}
