package dlq_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/redrive-go/redrive/dlq"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	errAway = errors.New("store is away")
	quiet   = slog.New(slog.NewTextHandler(io.Discard, nil))
)

// fake is a Store in memory.
type fake struct {
	mu      sync.Mutex
	entries []dlq.Entry
	nextID  int64
	// addErr is what Add answers.
	addErr error
	// onErase is called, with the lock, after each chunk.
	onErase func()
	// calls are the RedriveParams and EraseParams that came in.
	redrives []dlq.RedriveParams
	erases   []dlq.EraseParams
	away     bool
	// read is how many bytes of payloads List returned.
	read int
	// onList, when not nil, is called by each List before it looks.
	onList func()
}

// fill adds n entries to the DLQ "events".
func (f *fake) fill(t *testing.T, n int) {
	t.Helper()
	for range n {
		require.NoError(t, f.Add(t.Context(), dlq.Entry{Queue: "events", MessageID: time.Now().String()}))
	}
}

func (f *fake) setAddErr(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.addErr = err
}

func (f *fake) all() []dlq.Entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.entries)
}

func (f *fake) Add(ctx context.Context, entry dlq.Entry) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := errors.Join(ctx.Err(), f.addErr); err != nil {
		return err
	}
	f.add(entry)
	return nil
}

func (f *fake) add(entry dlq.Entry) {
	f.nextID++
	entry.ID = f.nextID
	f.entries = append(f.entries, entry)
}

func (f *fake) List(_ context.Context, p dlq.ListParams) ([]dlq.Entry, error) {
	if f.onList != nil {
		f.onList()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away {
		return nil, errAway
	}
	var out []dlq.Entry
	for _, e := range f.entries {
		if e.Queue == p.Queue && p.Meets(&e, e.Failure.Signature) && len(out) < p.Limit {
			if p.Brief {
				e.Payload, e.Metadata, e.Attempts, e.Failure.Stack = nil, nil, nil, ""
			}
			f.read += len(e.Payload)
			out = append(out, e)
		}
	}
	return out, nil
}

func (f *fake) Count(_ context.Context, p dlq.CountParams) (count, newest int64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away {
		return 0, 0, errAway
	}
	for _, e := range f.entries {
		if e.Queue != p.Queue {
			continue
		}
		if newest = e.ID; p.Meets(&e, e.Failure.Signature) && (p.Limit == 0 || count < int64(p.Limit)) {
			count++
		}
	}
	return count, newest, nil
}

func (f *fake) Redrive(_ context.Context, p dlq.RedriveParams) (dlq.Redriven, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away {
		return dlq.Redriven{}, errAway
	}
	f.redrives = append(f.redrives, p)
	var out dlq.Redriven
	var kept []dlq.Entry
	f.entries = slices.DeleteFunc(f.entries, func(e dlq.Entry) bool {
		asked := slices.Contains(p.IDs, e.ID) || (p.IDs == nil && e.ID <= p.UpTo && out.Moved < int64(p.Limit))
		if e.Queue != p.Queue || !asked {
			return false
		}
		out.Moved++
		if p.Edit != nil {
			kept = append(kept, e)
			e.Payload = p.Edit.Payload
		}
		if p.Full {
			out.Entries = append(out.Entries, e)
		}
		return true
	})
	for _, e := range kept {
		e.Queue = p.Edit.Kept
		f.add(e)
	}
	return out, nil
}

func (f *fake) Erase(_ context.Context, p dlq.EraseParams) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away {
		return 0, errAway
	}
	f.erases = append(f.erases, p)
	var n int64
	f.entries = slices.DeleteFunc(f.entries, func(e dlq.Entry) bool {
		asked := slices.Contains(p.IDs, e.ID) || p.IDs == nil && e.ID <= p.UpTo && n < int64(p.Limit)
		gone := e.Queue == p.Queue && asked
		if gone {
			n++
		}
		return gone
	})
	if f.onErase != nil {
		f.onErase()
	}
	return n, nil
}

func (f *fake) Stat(_ context.Context, queue string) (dlq.Stats, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away {
		return dlq.Stats{}, errAway
	}
	stats := dlq.Stats{Queue: queue}
	for _, e := range f.entries {
		if e.Queue == queue {
			stats.Count++
			stats.Newest = e.ID
		}
	}
	return stats, nil
}

func (f *fake) Snapshot(context.Context, string, func(dlq.Stats, iter.Seq2[dlq.Entry, error]) error) error {
	return errAway
}

func (f *fake) Transfer(ctx context.Context, p dlq.TransferParams) (int64, error) {
	f.mu.Lock()
	var moving []dlq.Entry
	for _, e := range f.entries {
		if e.Queue == p.From && (slices.Contains(p.IDs, e.ID) || p.IDs == nil && e.ID <= p.UpTo && len(moving) < p.Limit) {
			moving = append(moving, e)
		}
	}
	f.mu.Unlock()
	n, err := f.Erase(ctx, dlq.EraseParams{Queue: p.From, Selection: p.Selection})
	for _, e := range moving {
		if e.Queue = p.To; err == nil {
			err = f.Add(ctx, e)
		}
	}
	return n, err
}

func (f *fake) Groups(context.Context, string, int) ([]dlq.Group, error) { return nil, errAway }

func (f *fake) MarkExported(context.Context, string, int64) error { return errAway }
