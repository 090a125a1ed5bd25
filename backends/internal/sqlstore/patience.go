package sqlstore

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// Callers of Accept wait for the flush under way and for their own. Together these last less than five seconds, whatever
// becomes of the database: a client should rather hear that it must try again.
const (
	longPatience  = 4 * time.Second
	shortPatience = 900 * time.Millisecond
)

// patience bounds flushes: long as a rule, and short after one that took too long, so that those who stand in line hear of it
// soon. The one after that may be long again: a slow database is not a dead one.
type patience struct{ short atomic.Bool }

func (p *patience) within(work func(context.Context) error) error {
	limit, short := longPatience, p.short.Load()
	if short {
		limit = shortPatience
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	err := work(ctx)
	p.short.Store(errors.Is(err, ErrUnavailable) && ctx.Err() != nil && !short)
	return err
}
