package asyncevents

import (
	"cmp"
	"slices"
	"sync"
)

// raisedAlarms is the alarms that hold, as this process saw them last.
type raisedAlarms struct {
	mu     sync.Mutex
	alarms []Alarm
}

// note takes over what was seen of one condition of a DLQ.
func (r *raisedAlarms) note(alarm Alarm) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.alarms = slices.DeleteFunc(r.alarms, func(a Alarm) bool { return a.Queue == alarm.Queue && a.Kind == alarm.Kind })
	if alarm.Raised {
		r.alarms = append(r.alarms, alarm)
	}
}

func (r *raisedAlarms) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.alarms = nil
}

// list returns a copy, in an order that stays.
func (r *raisedAlarms) list() []Alarm {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := slices.Clone(r.alarms)
	slices.SortFunc(list, func(a, b Alarm) int {
		return cmp.Or(-cmp.Compare(a.Queue, b.Queue), cmp.Compare(a.Kind, b.Kind))
	})
	return list
}
