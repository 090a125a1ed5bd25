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
	if err != nil {
		return 0, 0, err
	}
	if erased, err = eraseRuns(t, d, runs); err != nil || erased == 0 {
		return 0, 0, err
	}
	return erased, runs[len(runs)-1].upTo, d.count(t, 0, -erased)
}

// eraseRuns removes all entries of runs, and counts their causes. The DLQ's own count is the caller's.
func eraseRuns(t Tx, d held, runs []span) (erased int64, err error) {
	leaving := causes{}
	for _, run := range runs {
		if err := leaving.add(t, countCauses, run.after+1, run.upTo); err != nil {
			return 0, err
		}
		removed, err := t.Exec(deleteEntries, run.after+1, run.upTo)
		if err != nil {
			return 0, err
		}
		erased += removed
	}
	return erased, leaving.leave(t, d)
}
