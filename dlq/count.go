package dlq

import (
	"context"
	"errors"
	"fmt"
)

// errNoQueue is the error of a call for no DLQ in particular.
var errNoQueue = errors.New("no queue named")

// Count returns how many entries of a DLQ a filter means, and the largest id that the DLQ holds, or UpTo of the filter where that is
// smaller. Entries that come in later have larger ones, so that the filter with this id as its UpTo names a set that does not grow any
// more. The id is 0 in an empty DLQ.
//
// The store counts by itself unless the filter has Error, Text, Action or Attributes. Then every entry is read: for Error without its
// payload, which takes some seconds for 1,000,000.
func (m *Manager) Count(ctx context.Context, queue string, filter Filter) (count, upTo int64, err error) {
	if err = filter.check(); err == nil && queue == "" {
		err = errNoQueue
	}
	switch {
	case err != nil:
	case filter.isCountable():
		count, upTo, err = m.store.Count(ctx, filter.count(queue))
	default:
		count, upTo, err = m.countFound(ctx, queue, &filter)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("dlq: count in %s: %w", queue, err)
	}
	return count, lower(upTo, filter.UpTo), nil
}

// countFound counts what a search finds up to the largest id of now.
func (m *Manager) countFound(ctx context.Context, queue string, filter *Filter) (count, newest int64, err error) {
	stats, err := m.store.Stat(ctx, queue)
	if err != nil || stats.Count == 0 {
		return 0, stats.Newest, err
	}
	s, err := newSearch(queue, filter, 0, stats.Newest)
	if err != nil {
		return 0, 0, err
	}
	err = m.through(ctx, s, func(found []Entry) error {
		count += int64(len(found))
		return nil
	})
	return count, stats.Newest, err
}

// count is the filter as what a store counts. It must be countable.
func (f *Filter) count(queue string) CountParams {
	params := CountParams{ListParams: f.lookup(), Job: f.Job, MinRedrives: f.MinRedrives, MaxRedrives: f.MaxRedrives}
	params.Queue = queue
	return params
}
