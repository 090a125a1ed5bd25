package sqlstore

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/redrive-go/redrive/dlq"
)

const (
	// What stands in another DLQ of the messages of some entries.
	selectTwins = `
		SELECT other.id FROM {dead_letters} one JOIN {dead_letters} other ON other.dlq = ? AND other.message_id = one.message_id
		WHERE one.id >= ? AND one.id <= ?`
	transferRun = `UPDATE {dead_letters} SET id = id + ?, dlq = ?, created_at = ? WHERE id >= ? AND id <= ?`
	copyGroup   = `
		INSERT INTO {error_groups} (dlq, signature, entries, type, message)
		SELECT ?, signature, ?, type, message FROM {error_groups} WHERE dlq = ? AND signature = ?`
)

// errSameDLQ is the error of a transfer that leads nowhere.
var errSameDLQ = errors.New("a transfer needs two DLQs")

// Transfer implements dlq.Store.
func (s *DeadLetters) Transfer(ctx context.Context, p dlq.TransferParams) (moved int64, err error) {
	if p.From == p.To {
		return 0, s.failure("transfer from", p.From, errSameDLQ)
	}
	var from, to held
	var last int64
	err = s.db.Write(ctx, func(t Tx) (err error) {
		first, second := &from, &to // DLQs are locked in the order of their names
		if p.To < p.From {
			first, second = second, first
		}
		if *first, err = s.holdSpreading(t, min(p.From, p.To)); err != nil {
			return err
		}
		if *second, err = hold(t, max(p.From, p.To)); err != nil {
			return err
		}
		moved, last, err = s.transfer(t, from, to, &p.Selection)
		return err
	})
	if err != nil {
		return 0, s.failure("transfer from", p.From, err)
	}
	if p.IDs == nil {
		s.floors.raise(from.id, last)
	}
	return moved, nil
}

func (s *DeadLetters) transfer(t Tx, from, to held, which *dlq.Selection) (moved, last int64, err error) {
	runs, err := s.runs(t, from, which)
	if err != nil {
		return 0, 0, err
	}
	moving, replaced, next := causes{}, int64(0), to.last+1
	for _, run := range runs {
		twins, err := eraseTwins(t, to, run)
		if err != nil {
			return 0, 0, err
		}
		if err := moving.add(t, countCauses, run.after+1, run.upTo); err != nil {
			return 0, 0, err
		}
		// They keep their order, and the gaps that are in it.
		n, err := t.Exec(transferRun, fullID(to.id, next)-run.after-1, to.id, to.now, run.after+1, run.upTo)
		if err != nil {
			return 0, 0, err
		}
		moved, replaced, last, next = moved+n, replaced+twins, run.upTo, next+run.upTo-run.after
	}
	if err := moving.change(t, from, to); err != nil {
		return 0, 0, err
	}
	if err := from.count(t, 0, -moved); err != nil {
		return 0, 0, err
	}
	return moved, last, to.count(t, next-to.last-1, moved-replaced)
}

// eraseTwins removes what stands in a DLQ of the messages of a run that comes into it.
func eraseTwins(t Tx, to held, run span) (int64, error) {
	var twins []span
	err := t.Query(func(row Scanner) error {
		var id int64
		err := row.Scan(&id)
		twins = append(twins, span{id - 1, id})
		return err
	}, selectTwins, to.id, run.after+1, run.upTo)
	if err != nil || twins == nil {
		return 0, err
	}
	return eraseRuns(t, to, twins)
}

// change counts entries that go from one DLQ to another.
func (c causes) change(t Tx, from, to held) error {
	for _, signature := range slices.Sorted(maps.Keys(c)) {
		known, err := t.Exec(growGroup, c[signature], to.id, signature)
		if err == nil && known == 0 {
			_, err = t.Exec(copyGroup, to.id, c[signature], from.id, signature)
		}
		if err != nil {
			return err
		}
	}
	return c.leave(t, from)
}
