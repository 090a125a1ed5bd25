package export

import (
	"iter"
	"time"

	"github.com/redrive-go/redrive/dlq"
)

// An export works for slice and then rests for half as long, maxRest at most: what was slow because the store or the disk was away
// does not count as work. Nobody waits for an export, and what is read and encoded without a pause keeps a processor, and the
// server another, from those that intake and consumers wait for.
const (
	slice   = 2 * time.Millisecond
	maxRest = 10 * time.Millisecond
)

// rested passes entries on, with rests.
func rested(entries iter.Seq2[dlq.Entry, error]) iter.Seq2[dlq.Entry, error] {
	return func(yield func(dlq.Entry, error) bool) {
		began := time.Now()
		for entry, err := range entries {
			if !yield(entry, err) {
				return
			}
			if worked := time.Since(began); worked >= slice {
				time.Sleep(min(worked/2, maxRest))
				began = time.Now()
			}
		}
	}
}
