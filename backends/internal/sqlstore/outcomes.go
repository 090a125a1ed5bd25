package sqlstore

import (
	"cmp"
	"maps"
	"slices"

	"github.com/redrive-go/redrive/retry"
)

const countOutcome = `
	UPDATE {retry_jobs} SET processed = processed + ?, refused = refused + ?, came_back = came_back + ? WHERE queue = ? AND id = ?`

// jobKey names a retry job.
type jobKey struct{ queue, id string }

// countOutcomes counts outcomes for the retry jobs that moved their messages. It is the last that a transaction does: rows of jobs
// are locked after all others, in one order.
func countOutcomes(t Tx, batch []*settling) error {
	counts := map[jobKey]*retry.Outcome{}
	for _, c := range batch {
		if c.Job == "" || c.Again != nil {
			continue
		}
		key := jobKey{c.Queue, c.Job}
		if counts[key] == nil {
			counts[key] = &retry.Outcome{}
		}
		c.CountFor(counts[key])
	}
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b jobKey) int {
		return cmp.Or(cmp.Compare(a.queue, b.queue), cmp.Compare(a.id, b.id))
	})
	for _, key := range keys {
		o := counts[key]
		if _, err := t.Exec(countOutcome, o.Processed, o.Refused, o.CameBack, key.queue, key.id); err != nil {
			return err
		}
	}
	return nil
}
