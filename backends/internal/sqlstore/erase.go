package sqlstore

import (
	"context"

	"github.com/redrive-go/redrive/dlq"
)

const deleteEntries = `DELETE FROM {dead_letters} WHERE id >= ? AND id <= ?`

// Erase implements dlq.Store.
func (s *DeadLetters) Erase(ctx context.Context, p dlq.EraseParams) (erased int64, err error) {
	var d held
	var last int64
	err = s.db.Write(ctx, func(t Tx) (err error) {
		if d, err = s.holdSpreading(t, p.Queue); err == nil {
			erased, last, err = s.erase(t, d, &p.Selection)
		}
		return err
	})
	if err != nil {
		return 0, s.failure("erase from", p.Queue, err)
	}
	if p.IDs == nil {
		s.floors.raise(d.id, last)
	}
	return erased, nil
}

func (s *DeadLetters) erase(t Tx, d held, which *dlq.Selection) (erased, last int64, err error) {
	runs, err := s.runs(t, d, which)
	for _, run := range runs {
		if err != nil {
			break
		}
		var removed int64
		removed, err = eraseRun(t, d, run)
		erased, last = erased+removed, run.upTo
	}
	if err != nil || erased == 0 {
		return 0, 0, err
	}
	return erased, last, d.count(t, 0, -erased)
}

// eraseRun removes all entries of a run. The DLQ's count is the caller's.
func eraseRun(t Tx, d held, run span) (int64, error) {
	leaving, err := causesOf(t, countCauses, run.after+1, run.upTo)
	if err == nil {
		err = leaving.leave(t, d)
	}
	if err != nil {
		return 0, err
	}
	return t.Exec(deleteEntries, run.after+1, run.upTo)
}
