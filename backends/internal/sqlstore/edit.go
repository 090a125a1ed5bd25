package sqlstore

import "github.com/redrive-go/redrive/dlq"

const editPayload = `UPDATE {dead_letters} SET payload = ? WHERE id = ?`

// edit keeps an entry as it is in another DLQ, and changes its payload. The other DLQ is locked second, by everybody: nobody but this
// adds to it.
func (s *DeadLetters) edit(t Tx, d held, p *dlq.RedriveParams) error {
	id := p.IDs[0]
	var originals []dlq.Entry
	err := eachEntry(t, dlq.ListParams{Queue: p.Queue, IDs: []int64{id}, Limit: 1}, func(e dlq.Entry) error {
		e.Queue = p.Edit.Kept
		originals = append(originals, e)
		return nil
	})
	if err != nil {
		return err
	}
	if err := s.add(t, originals); err != nil {
		return err
	}
	_, err = t.Exec(editPayload, orEmpty(p.Edit.Payload), fullID(d.id, id))
	return err
}
