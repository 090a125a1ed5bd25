package export

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

// giveWayAfter is after how many failures in a row Run lets go of what it tries: other exports get their turn, and this
// one comes back when its lease has run out.
const giveWayAfter = 3

// backoff says how long Run waits after a failure.
var backoff = retry.Policy{InitialBackoff: time.Second, MaxBackoff: 15 * time.Second}

// Run writes exports, one after the other, until ctx ends, and then returns nil. An export that is being written then
// is dropped and started over by the next Run, here or in another process, once its lease has run out. Run may be
// called again, and several may run at once.
func (e *Exporter) Run(ctx context.Context) error {
	owner, failures := uuid.NewString(), 0
	for ctx.Err() == nil {
		found, err := e.next(ctx, owner)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			failures++
			e.cfg.Logger.WarnContext(ctx, "export interrupted, will be tried again", "error", err, "failures", failures)
			if failures%giveWayAfter == 0 {
				owner = uuid.NewString()
			}
			pause(ctx, backoff.Backoff(failures), nil)
		case found:
			failures = 0
		default:
			failures = 0
			pause(ctx, e.cfg.PollInterval, e.wake)
		}
	}
	return nil
}

// pause waits for d, a wake-up or the end of ctx.
func pause(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-ctx.Done():
	}
}

// next claims an export and writes it, if there is one. An error means that the export must be tried again.
func (e *Exporter) next(ctx context.Context, owner string) (found bool, err error) {
	claimedAt := time.Now()
	record, err := e.catalog.Claim(ctx, owner, e.cfg.Lease)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("export: claim: %w", err)
	}
	record.Count, record.Total = 0, 0 // an earlier owner's
	held := newHold(e.catalog, owner, record, e.cfg.Lease, claimedAt)
	logger := e.cfg.Logger.With("export", record.ID, "queue", record.Queue)
	logger.InfoContext(ctx, "export begins")
	if err := e.write(ctx, held, logger); err != nil {
		return true, fmt.Errorf("export: write %s: %w", record.ID, err)
	}
	return true, nil
}

// write makes the file of a held export and says in its record how that ended.
func (e *Exporter) write(ctx context.Context, held *hold, logger *slog.Logger) error {
	record, err := e.produceHeld(ctx, held, logger)
	if err != nil && retry.IsPermanent(err) {
		logger.ErrorContext(ctx, "export failed", "error", err)
		record, err = held.record, held.end(ctx, failed(held.record, err))
	} else if err == nil {
		err = held.end(ctx, record)
	}
	if errors.Is(err, ErrNotFound) {
		return e.abandon(ctx, held.record, logger)
	}
	if err == nil && record.State == StateCompleted {
		logger.InfoContext(ctx, "export completed", "count", record.Count, "bytes", record.Bytes)
	}
	return err
}

// failed is the record of an export that gave up because of err.
func failed(record Record, err error) Record {
	record.State = StateFailed
	record.Error = retry.CutText(err.Error())
	record.FinishedAt = time.Now().UTC()
	return record
}

// abandon leaves an export that was deleted or taken over. A deleted one may have had its file committed after
// Delete looked for it.
func (e *Exporter) abandon(ctx context.Context, record Record, logger *slog.Logger) error {
	switch _, err := e.catalog.Get(ctx, record.ID); {
	case errors.Is(err, ErrNotFound):
		logger.InfoContext(ctx, "export was deleted while it was written")
		if err := e.storage.Delete(ctx, fileName(record)); err != nil {
			logger.ErrorContext(ctx, "file of a deleted export was left behind", "error", err)
		}
		return nil
	case err != nil:
		return err
	}
	logger.WarnContext(ctx, "export was taken over by another process")
	return nil
}

// produceHeld is produce while the lease is renewed. When the lease is lost, the error is the reason.
func (e *Exporter) produceHeld(ctx context.Context, held *hold, logger *slog.Logger) (Record, error) {
	work, lose := context.WithCancelCause(ctx)
	done, kept := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(kept)
		held.keep(work, done, lose)
	}()
	record, err := e.produce(work, held, logger)
	close(done)
	<-kept
	if lost := context.Cause(work); err != nil && lost != nil {
		err = lost
	}
	lose(nil)
	return record, err
}

// produce makes the file and returns the record of the completed export. Each step may be repeated after a crash: what
// stands under the file's name is replaced, and the entries of a later snapshot include those noted before.
func (e *Exporter) produce(ctx context.Context, held *hold, logger *slog.Logger) (Record, error) {
	record := held.record
	file, err := e.storage.Create(ctx, fileName(record))
	if err != nil {
		return Record{}, permanent(ctx, err)
	}
	newest, err := e.fill(ctx, file, held, &record)
	if err != nil {
		if abortErr := file.Abort(); abortErr != nil {
			logger.WarnContext(ctx, "unfinished export file was left behind", "error", abortErr)
		}
		return Record{}, err
	}
	if err := file.Commit(); err != nil {
		return Record{}, permanent(ctx, err)
	}
	if record.Filter.IsZero() {
		if err := e.source.MarkExported(ctx, record.Queue, newest); err != nil {
			return Record{}, fmt.Errorf("mark entries as exported: %w", err)
		}
	}
	record.State, record.FinishedAt = StateCompleted, time.Now().UTC()
	return record, nil
}

// fill writes one snapshot of the DLQ to file, notes in record what it wrote, and makes sure that the export is still
// held. It returns the largest id of the snapshot.
func (e *Exporter) fill(ctx context.Context, file File, held *hold, record *Record) (newest int64, err error) {
	meter := &meter{to: file, hash: sha256.New()}
	err = e.source.Snapshot(ctx, record.Queue, func(stats dlq.Stats, entries iter.Seq2[dlq.Entry, error]) error {
		newest = stats.Newest
		var readErr error
		entries = rested(guard(ctx, entries, &readErr))
		total, err := stats.Count, error(nil)
		if !record.Filter.IsZero() {
			entries = record.Filter.Select(entries)
			total, err = lengthOf(entries)
		}
		if err != nil {
			return err
		}
		held.begin(total)
		record.Count, err = writeAs(record, meter, total, entries, held.progress)
		record.Total = total
		if err != nil && readErr == nil { // the file, or the entries themselves, and those stay as they are
			err = permanent(ctx, err)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	record.Bytes, record.SHA256 = meter.written, hex.EncodeToString(meter.hash.Sum(nil))
	return newest, held.save(ctx)
}

// lengthOf counts entries, which the file says before it has them.
func lengthOf(entries iter.Seq2[dlq.Entry, error]) (n int64, err error) {
	for _, err := range entries {
		if err != nil {
			return 0, fmt.Errorf("read entries: %w", err)
		}
		n++
	}
	return n, nil
}

// writeAs writes entries in the format of an export.
func writeAs(
	record *Record, w io.Writer, count int64, entries iter.Seq2[dlq.Entry, error], progress func(int64),
) (int64, error) {
	if record.Format == FormatNDJSON {
		return WriteNDJSON(w, record.Queue, count, entries, progress)
	}
	return Write(w, record.Queue, time.Now(), count, entries, progress)
}

// guard passes entries on until ctx ends, and keeps the error that ended them.
func guard(ctx context.Context, entries iter.Seq2[dlq.Entry, error], failure *error) iter.Seq2[dlq.Entry, error] {
	return func(yield func(dlq.Entry, error) bool) {
		for entry, err := range entries {
			if err == nil && ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			*failure = err
			if !yield(entry, err) || err != nil {
				return
			}
		}
	}
}

// permanent marks an error that trying again would not mend, unless it only follows from the end of ctx.
func permanent(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	return retry.Permanent(err)
}
