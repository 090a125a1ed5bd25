package sqlstore

import "errors"

// answer is the place for what became of a call within a batch.
type answer struct{ err error }

func (a *answer) set(err error) { a.err = err }
func (a *answer) get() error    { return a.err }

// call is a call within a batch.
type call interface {
	set(err error)
	get() error
}

// each does something to a batch of calls, and one by one where it may be that one of them is at fault.
func each[C call](batch []C, do func([]C) error) {
	if len(batch) == 0 {
		return
	}
	err := do(batch)
	if err == nil || len(batch) == 1 || errors.Is(err, ErrUnavailable) {
		for _, c := range batch {
			c.set(err)
		}
		return
	}
	for i := range batch {
		batch[i].set(do(batch[i : i+1]))
	}
}

// split divides a batch into the calls that are wanted and the others.
func split[C any](batch []C, wanted func(C) bool) (chosen, others []C) {
	chosen = make([]C, 0, len(batch))
	for _, c := range batch {
		if wanted(c) {
			chosen = append(chosen, c)
		} else {
			others = append(others, c)
		}
	}
	return chosen, others
}

// answers returns what became of each call.
func answers[C call](batch []C) []error {
	errs := make([]error, len(batch))
	for i, c := range batch {
		errs[i] = c.get()
	}
	return errs
}
