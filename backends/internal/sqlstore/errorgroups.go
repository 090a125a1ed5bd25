package sqlstore

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/redrive-go/redrive/dlq"
)

const (
	countCauses = `
		SELECT signature, count(*) FROM {dead_letters} WHERE id >= ? AND id <= ? GROUP BY signature`
	countCausesOf = `
		SELECT signature, count(*) FROM {dead_letters} WHERE id >= ? AND id <= ? AND topic = ? GROUP BY signature`
	growGroup      = `UPDATE {error_groups} SET entries = entries + ? WHERE dlq = ? AND signature = ?`
	shrinkGroup    = `UPDATE {error_groups} SET entries = entries - ? WHERE dlq = ? AND signature = ? AND entries > ?`
	deleteGroup    = `DELETE FROM {error_groups} WHERE dlq = ? AND signature = ?`
	selectGroups   = `SELECT signature, type, message, entries FROM {error_groups} WHERE dlq = ? ORDER BY entries DESC, signature LIMIT ?`
	selectNewestOf = `
		SELECT created_at FROM {dead_letters} {by cause} WHERE {of cause} ORDER BY signature DESC, id DESC LIMIT 1`
)

// groupColumns are the columns of error_groups.
var groupColumns = []string{"dlq", "signature", "entries", "type", "message"}

// causes says how many entries have each signature.
type causes map[int64]int64

// add counts the signatures of entries besides.
func (c causes) add(t Tx, query string, args ...any) error {
	return t.Query(func(row Scanner) error {
		var signature, entries int64
		err := row.Scan(&signature, &entries)
		c[signature] += entries
		return err
	}, query, args...)
}

// signatureOf is a failure's signature as a number.
func signatureOf(f dlq.Failure) int64 {
	n, _ := parseSignature(f.Signature())
	return n
}

// parseSignature returns false for what is none.
func parseSignature(signature string) (int64, bool) {
	n, err := strconv.ParseUint(signature, 16, 64)
	return int64(n), err == nil && formatSignature(int64(n)) == signature //nolint:gosec // the same bits
}

func formatSignature(n int64) string { return fmt.Sprintf("%016x", uint64(n)) } //nolint:gosec // the same bits

// join counts entries that were added to a DLQ.
func (c causes) join(t Tx, dialect Dialect, d held, failures map[int64]dlq.Failure) error {
	var args []any
	for _, signature := range slices.Sorted(maps.Keys(c)) {
		known, err := t.Exec(growGroup, c[signature], d.id, signature)
		if err != nil {
			return err
		}
		if known == 0 {
			f := failures[signature]
			args = append(args, d.id, signature, c[signature], text(f.Type), text(dlq.Normalize(f.Message)))
		}
	}
	if args == nil {
		return nil
	}
	_, err := dialect.Insert(t, "error_groups", groupColumns, args)
	return err
}

// leave counts entries that leave a DLQ.
func (c causes) leave(t Tx, d held) error {
	for _, signature := range slices.Sorted(maps.Keys(c)) {
		some, err := t.Exec(shrinkGroup, c[signature], d.id, signature, c[signature])
		if err == nil && some == 0 { // these were all of them
			_, err = t.Exec(deleteGroup, d.id, signature)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Groups implements dlq.Store.
func (s *DeadLetters) Groups(ctx context.Context, name string, limit int) (groups []dlq.Group, err error) {
	err = s.db.View(ctx, func(t Tx) (err error) {
		groups, err = readGroups(t, name, limit)
		return err
	})
	return groups, s.failure("group", name, err)
}

func readGroups(t Tx, name string, limit int) (groups []dlq.Group, err error) {
	d, err := look(t, name)
	if err != nil {
		return nil, err
	}
	err = t.Query(func(row Scanner) error {
		var g dlq.Group
		var signature int64
		err := row.Scan(&signature, &g.Type, &g.Message, &g.Count)
		g.Signature = formatSignature(signature)
		groups = append(groups, g)
		return err
	}, selectGroups, d.id, limit)
	for i := range groups {
		if err == nil {
			err = complete(t, d, name, &groups[i])
		}
	}
	return groups, err
}

// complete reads the oldest and the newest entry of a group.
func complete(t Tx, d seen, name string, g *dlq.Group) error {
	p := dlq.ListParams{Queue: name, Signature: g.Signature, Limit: 1}
	err := eachEntry(t, p, func(e dlq.Entry) error {
		g.Sample, g.FirstSeen = e, e.CreatedAt
		return nil
	})
	if err != nil {
		return err
	}
	var newest int64
	signature, _ := parseSignature(g.Signature)
	err = One(t, []any{&newest}, selectNewestOf,
		signature, fullID(d.id, 0), signature, fullID(d.id, dlqSpan-1))
	g.LastSeen = FromMicros(newest)
	return err
}
