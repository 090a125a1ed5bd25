package sqlstore

import "github.com/redrive-go/redrive/backends/internal/queue"

// ScanClaimed reads a message, and its metadata as text, which the caller decodes when nobody waits for that: id, uuid,
// payload, metadata, history, attempt, redrives, and more.
func ScanClaimed(row Scanner, more ...any) (c queue.Claimed, metadata string, err error) {
	dest := [...]any{&c.ID, &c.UUID, &c.Payload, &metadata, &c.History, &c.Attempt, &c.Redrives}
	err = row.Scan(append(dest[:], more...)...)
	return c, metadata, err
}

// ScanHeld reads claims: the id of a message, and the claim on it.
func ScanHeld(claims *[]queue.Held) func(Scanner) error {
	return func(row Scanner) error {
		var c queue.Held
		err := row.Scan(&c.ID, &c.Owner)
		*claims = append(*claims, c)
		return err
	}
}

// scanExpired reads a message whose lease ran out: the columns of ScanClaimed, then claim and claimed_at.
func scanExpired(row Scanner) (queue.Claimed, error) {
	var at int64
	var owner int64
	c, metadata, err := ScanClaimed(row, &owner, &at)
	if err != nil {
		return c, err
	}
	c.Metadata, c.Damage = DecodeMetadata(metadata)
	c.Owner, c.ClaimedAt = owner, FromMicros(at)
	return c, nil
}
