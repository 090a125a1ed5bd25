package asyncevents

import (
	"context"
	"log/slog"
	"time"

	"github.com/redrive-go/redrive/dlq"
)

// herald tells the host of alarms, apart from those who watch: nobody knows how long that takes.
type herald struct {
	notify func(context.Context, Alarm) // nil for none
	log    *slog.Logger
	untold chan Alarm
}

func newHerald(notify func(context.Context, Alarm), log *slog.Logger) *herald {
	return &herald{notify: notify, log: log, untold: make(chan Alarm, alarmsUntold)}
}

// hand has the host told when the call before has returned. It does not wait.
func (h *herald) hand(ctx context.Context, alarm Alarm) {
	if h.notify == nil {
		return
	}
	select {
	case h.untold <- alarm:
	default:
		h.log.ErrorContext(ctx, "nobody was told of an alarm: an earlier call of Notify has not returned", "alarm", alarm.String())
	}
}

// run tells the host until ctx ends. Only a call that does not end then is left behind.
func (h *herald) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case alarm := <-h.untold:
			if ctx.Err() == nil {
				h.call(ctx, alarm)
			}
		}
	}
}

// call returns when Notify did, or some time after ctx ended.
func (h *herald) call(ctx context.Context, alarm Alarm) {
	returned := make(chan struct{})
	limited, cancel := context.WithTimeout(ctx, alarmPatience)
	defer cancel()
	go func() {
		defer close(returned)
		err := dlq.Call(func() error {
			h.notify(limited, alarm)
			return nil
		})
		if err != nil {
			h.log.ErrorContext(ctx, "Notify panicked", "alarm", alarm.String(), "error", err)
		}
	}()
	if ended(limited, returned) {
		return
	}
	if ctx.Err() == nil {
		h.log.ErrorContext(ctx, "Notify has not returned in time", "alarm", alarm.String())
		if ended(ctx, returned) {
			return
		}
	}
	h.log.ErrorContext(ctx, "Notify did not return, and is left behind", "alarm", alarm.String())
}

// ended waits until a call has returned, at most for alarmParting after ctx ended, and tells whether it did.
func ended(ctx context.Context, returned <-chan struct{}) bool {
	select {
	case <-returned:
		return true
	case <-ctx.Done():
	}
	late := time.NewTimer(alarmParting)
	defer late.Stop()
	select {
	case <-returned:
		return true
	case <-late.C:
		return false
	}
}
