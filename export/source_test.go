package export_test

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

// source is the part of a dlq.Store that exports use. It holds count generated entries in every queue.
type source struct {
	dlq.Store
	count int64
	// surplus is how many entries more than there are a Snapshot announces.
	surplus int64
	// before, when not nil, is called before each entry is handed out.
	before func(queue string, i int64) error

	mu     sync.Mutex
	marked []int64
	// markErr, when not nil, is what MarkExported returns.
	markErr error
}

func (s *source) Snapshot(
	_ context.Context, queue string, read func(dlq.Stats, iter.Seq2[dlq.Entry, error]) error,
) error {
	stats := dlq.Stats{Queue: queue, Count: s.count + s.surplus, Newest: s.count}
	return read(stats, func(yield func(dlq.Entry, error) bool) {
		for i := range s.count {
			if s.before != nil {
				if err := s.before(queue, i); err != nil {
					yield(dlq.Entry{}, err)
					return
				}
			}
			if !yield(entryNo(queue, i+1), nil) {
				return
			}
		}
	})
}

func (s *source) MarkExported(_ context.Context, _ string, upTo int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.markErr != nil {
		return s.markErr
	}
	s.marked = append(s.marked, upTo)
	return nil
}

func (s *source) failMarks(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.markErr = err
}

func (s *source) marks() []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]int64(nil), s.marked...)
}

// entryNo makes an entry.
func entryNo(queue string, id int64) dlq.Entry {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return dlq.Entry{
		ID: id, Queue: queue, Topic: queue, MessageID: fmt.Sprint("m", id), CorrelationID: fmt.Sprint("c", id),
		CreatedAt: at, AcceptedAt: at.Add(-time.Minute),
		Payload: fmt.Appendf(nil, `{"customer":"c%d","data":{"points":%d}}`, id, id),
		Failure: dlq.Failure{Type: "*errors.errorString", Message: "no such customer"},
		Attempts: retry.History{
			{Number: 1, StartedAt: at.Add(-time.Second), DurationMS: 12, Error: "no such customer"},
		},
	}
}
