package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Whoever calls Accept waits less than five seconds, whatever becomes of the database: a client should rather hear that it
// must try again.
const (
	// callPatience is for one call, from when it joins: for the flushes before its own, its own, and one alone.
	callPatience = 4500 * time.Millisecond
	// flushPatience is for one flush where others may hold what it waits for: long for a statement, and short enough for a
	// call to wait for a flush under way, for its own, and to try alone. MySQL gives up waiting after a second.
	flushPatience = 1200 * time.Millisecond
)

// errImpatient is for calls that nobody could wait for any longer.
var errImpatient = fmt.Errorf("%w: it took too long", ErrUnavailable)

// limit is the context of a flush that waits no longer than its oldest call, which is the first, and than most.
func limit(batch []*accepting, most time.Duration) (context.Context, context.CancelFunc) {
	until := batch[0].until
	if soon := time.Now().Add(most); soon.Before(until) {
		until = soon
	}
	return context.WithDeadline(context.Background(), until)
}

// isLate is whether a flush, or a call in it, failed because something took too long.
func isLate(ctx context.Context, err error) bool {
	return errors.Is(err, ErrLocked) || err != nil && ctx.Err() != nil
}
