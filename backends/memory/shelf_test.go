package memory

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// idsFrom lists the ids on a shelf from one on.
func idsFrom(s *shelf, id int64) []int64 {
	ids := []int64{}
	for letter := range s.from(id) {
		ids = append(ids, letter.id)
	}
	return ids
}

// TestShelfIsASortedList compares a shelf and its snapshots with plain slices of ids. The chunks are filled in
// bulk, so that a few steps cross many of their borders.
func TestShelfIsASortedList(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var s shelf
		var next int64
		model := []int64{}
		type frozen struct {
			shelf *shelf
			model []int64
		}
		var snapshots []frozen
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				for range rapid.IntRange(1, 2*chunkSize).Draw(t, "n") {
					next += rapid.Int64Range(1, 3).Draw(t, "gap")
					s.add(&deadLetter{id: next})
					model = append(model, next)
				}
			},
			"remove some": func(t *rapid.T) {
				step := rapid.IntRange(1, 5).Draw(t, "step")
				for _, id := range slices.Clone(model) {
					if int(id)%step == 0 {
						removed := s.remove(id)
						require.NotNil(t, removed)
						require.Equal(t, id, removed.id)
						require.Nil(t, s.remove(id))
					}
				}
				model = slices.DeleteFunc(model, func(id int64) bool { return int(id)%step == 0 })
			},
			"remove the oldest": func(t *rapid.T) {
				n := min(rapid.IntRange(1, 2*chunkSize).Draw(t, "n"), len(model))
				for _, id := range model[:n] {
					require.NotNil(t, s.remove(id))
				}
				model = slices.Clone(model[n:])
			},
			"snapshot": func(*rapid.T) {
				snapshots = append(snapshots, frozen{s.snapshot(), slices.Clone(model)})
			},
			"look up": func(t *rapid.T) {
				id := rapid.Int64Range(0, next+2).Draw(t, "id")
				at, there := slices.BinarySearch(model, id)
				assert.Equal(t, there, s.get(id) != nil)
				assert.Equal(t, model[at:], idsFrom(&s, id))
			},
			"": func(t *rapid.T) {
				require.EqualValues(t, len(model), s.count)
				require.Equal(t, model, idsFrom(&s, 0))
				if len(model) > 0 {
					require.Equal(t, model[len(model)-1], s.newest().id)
				} else {
					require.Nil(t, s.newest())
				}
				for _, f := range snapshots {
					require.Equal(t, f.model, idsFrom(f.shelf, 0))
					require.EqualValues(t, len(f.model), f.shelf.count)
				}
			},
		})
	})
}
