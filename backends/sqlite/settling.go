package sqlite

import (
	"slices"
	"strconv"
	"time"

	"github.com/redrive-go/redrive/backends/internal/queue"
	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

const (
	// The parameter maps the ids of messages to the claims that settle them.
	deleteMessages = `
		DELETE FROM messages WHERE id IN (
			SELECT d.id FROM json_each(?) j CROSS JOIN deliveries d
			WHERE d.id = CAST(j.key AS INTEGER) AND d.claim = j.value)`
	selectEnded = `
		SELECT d.id, d.claim FROM json_each(?) j CROSS JOIN deliveries d
		WHERE d.id = CAST(j.key AS INTEGER) AND d.claim = j.value`
	endClaims = `
		DELETE FROM deliveries WHERE id IN (
			SELECT d.id FROM json_each(?) j CROSS JOIN deliveries d
			WHERE d.id = CAST(j.key AS INTEGER) AND d.claim = j.value)`
	delayClaim = `
		UPDATE deliveries SET claim = 0, due = ?, metadata = coalesce(?, metadata), history = coalesce(?, history)
		WHERE id = ? AND claim = ?`
	returnClaim = `UPDATE deliveries SET claim = 0, due = ?, attempt = attempt - 1 WHERE id = ? AND claim = ?`
)

// Settle implements sqlstore.Dialect.
func (d *dialect) Settle(t sqlstore.Tx, settlements []queue.Settlement) (held []bool, err error) {
	held = make([]bool, len(settlements))
	var done claimSet
	for i, s := range settlements {
		if s.Outcome == queue.Done {
			done.add(s.ID, s.Owner)
			continue
		}
		if held[i], err = putBack(t, s); err != nil {
			return nil, err
		}
	}
	ended, err := end(t, &done)
	if err != nil {
		return nil, err
	}
	for i, s := range settlements {
		if s.Outcome == queue.Done {
			held[i] = ended(queue.Held{ID: s.ID, Owner: s.Owner})
		}
	}
	return held, nil
}

func putBack(t sqlstore.Tx, s queue.Settlement) (held bool, err error) {
	var n int64
	now := time.Now()
	if s.Outcome == queue.Unused {
		n, err = t.Exec(returnClaim, now.UnixMicro(), s.ID, s.Owner)
		return n == 1, err
	}
	var metadata, history any
	if s.Metadata != nil {
		if metadata, err = sqlstore.EncodeMetadata(s.Metadata); err != nil {
			return false, err
		}
		history = s.History
	}
	n, err = t.Exec(delayClaim, now.Add(s.After).UnixMicro(), metadata, history, s.ID, s.Owner)
	return n == 1, err
}

// end removes claimed messages and returns which of them were still held: as good as always all.
func end(t sqlstore.Tx, claims *claimSet) (held func(queue.Held) bool, err error) {
	if len(claims.perTopic) == 0 {
		return func(queue.Held) bool { return false }, nil
	}
	list := claims.json()
	n, err := t.Exec(deleteMessages, list)
	if err != nil {
		return nil, err
	}
	held = func(queue.Held) bool { return true }
	if n < claims.count {
		if held, err = stillHeld(t, claims, list); err != nil {
			return nil, err
		}
	}
	if _, err := t.Exec(endClaims, list); err != nil {
		return nil, err
	}
	for topic, n := range claims.perTopic {
		if _, err := t.Exec(lessenTopic, n, topic); err != nil {
			return nil, err
		}
	}
	return held, nil
}

// stillHeld finds out which claims stand, and leaves only those in the set's counts.
func stillHeld(t sqlstore.Tx, claims *claimSet, list string) (func(queue.Held) bool, error) {
	var stand []queue.Held
	if err := t.Query(sqlstore.ScanHeld(&stand), selectEnded, list); err != nil {
		return nil, err
	}
	clear(claims.perTopic)
	for _, c := range stand {
		claims.perTopic[c.ID>>idBits]++
	}
	return func(c queue.Held) bool { return slices.Contains(stand, c) }, nil
}

// claimSet is a set of claims: a JSON object from the ids of messages to the names of their claims, in which an id may stand
// twice, and how many
// there are, in all and by topic.
type claimSet struct {
	text     []byte
	count    int64
	perTopic map[int64]int64
}

func (c *claimSet) add(id, owner int64) {
	c.text = append(c.text, ',', '"')
	c.text = strconv.AppendInt(c.text, id, 10)
	c.text = append(c.text, '"', ':')
	c.text = strconv.AppendInt(c.text, owner, 10)
	c.count++
	if c.perTopic == nil {
		c.perTopic = map[int64]int64{}
	}
	c.perTopic[id>>idBits]++
}

func (c *claimSet) json() string { return "{" + string(c.text[1:]) + "}" }
