package memory

import (
	"cmp"
	"context"
	"slices"

	"github.com/redrive-go/redrive/dlq"
)

// Groups returns the causes of the failures in a DLQ.
func (d *deadLetters) Groups(ctx context.Context, name string, limit int) ([]dlq.Group, error) {
	if err := d.lock(ctx, "group DLQ %q", name); err != nil {
		return nil, err
	}
	q := d.dlq(name)
	frozen, exportedUpTo := q.snapshot(), q.exportedUpTo
	d.mu.Unlock()
	groups := groupsOf(frozen)
	slices.SortFunc(groups, func(a, b *group) int {
		return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(a.oldest.signature, b.oldest.signature))
	})
	shown := make([]dlq.Group, 0, min(limit, len(groups)))
	for _, g := range groups[:cap(shown)] {
		shown = append(shown, g.shown(exportedUpTo))
	}
	return shown, nil
}

// group is the letters of one cause.
type group struct {
	oldest, newest *deadLetter
	count          int64
}

func groupsOf(s *shelf) (groups []*group) {
	known := map[string]*group{}
	for letter := range s.from(0) {
		g := known[letter.signature]
		if g == nil {
			g = &group{oldest: letter}
			known[letter.signature] = g
			groups = append(groups, g)
		}
		g.newest = letter
		g.count++
	}
	return groups
}

func (g *group) shown(exportedUpTo int64) dlq.Group {
	failure := g.oldest.entry.Failure
	return dlq.Group{
		Signature: g.oldest.signature, Type: failure.Type, Message: dlq.Normalize(failure.Message), Count: g.count,
		FirstSeen: g.oldest.entry.CreatedAt, LastSeen: g.newest.entry.CreatedAt, Sample: g.oldest.shown(exportedUpTo),
	}
}
