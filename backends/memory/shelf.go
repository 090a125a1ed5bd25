package memory

import (
	"iter"
	"slices"
	"sort"
)

// chunkSize is how many entries share a chunk: what a change after a snapshot copies, and the longest run of
// removed entries that a reader steps over.
const chunkSize = 512

// shelf is dead letters in the order of their ids. Appending, finding and removing cost no more with a million than with
// a few, and a snapshot shares all chunks with the shelf: the first change of a chunk after it copies the chunk.
// The zero value is empty.
type shelf struct {
	chunks []*chunk
	count  int64
	epoch  int // how many snapshots were taken
}

// chunk is a run of entries. A removed one leaves its id, so that the rest can be searched; a chunk without entries
// leaves the shelf.
type chunk struct {
	ids     []int64
	letters []*deadLetter
	live    int
	epoch   int // the shelf's when the chunk was made; an older one is shared with a snapshot
}

// add puts a letter behind all others. Its id must be larger than theirs.
func (s *shelf) add(letter *deadLetter) {
	last := len(s.chunks) - 1
	if last < 0 || len(s.chunks[last].ids) == chunkSize {
		s.chunks = append(s.chunks, &chunk{epoch: s.epoch})
		last++
	}
	c := s.own(last)
	c.ids = append(c.ids, letter.id)
	c.letters = append(c.letters, letter)
	c.live++
	s.count++
}

// named goes through the letters with those ids above another.
func (s *shelf) named(ids []int64, after int64) iter.Seq[*deadLetter] {
	return func(yield func(*deadLetter) bool) {
		for _, id := range ids {
			if letter := s.get(id); letter != nil && id > after && !yield(letter) {
				return
			}
		}
	}
}

// remove takes the letter with that id away and returns it, nil when there is none.
func (s *shelf) remove(id int64) *deadLetter {
	at, in := s.seek(id)
	letter := s.at(at, in)
	if letter == nil || letter.id != id {
		return nil
	}
	s.count--
	if s.chunks[at].live == 1 {
		s.chunks = slices.Delete(s.chunks, at, at+1)
		return letter
	}
	c := s.own(at)
	c.letters[in] = nil
	c.live--
	return letter
}

// get returns the letter with that id, nil when there is none.
func (s *shelf) get(id int64) *deadLetter {
	letter := s.at(s.seek(id))
	if letter == nil || letter.id != id {
		return nil
	}
	return letter
}

// from iterates over the letters with an id of at least that. The shelf must not change meanwhile.
func (s *shelf) from(id int64) iter.Seq[*deadLetter] {
	return func(yield func(*deadLetter) bool) {
		at, in := s.seek(id)
		for ; at < len(s.chunks); at, in = at+1, 0 {
			for _, letter := range s.chunks[at].letters[in:] {
				if letter != nil && !yield(letter) {
					return
				}
			}
		}
	}
}

// newest returns the letter with the largest id, nil when there is none.
func (s *shelf) newest() *deadLetter {
	if len(s.chunks) == 0 {
		return nil
	}
	for _, letter := range slices.Backward(s.chunks[len(s.chunks)-1].letters) {
		if letter != nil {
			return letter
		}
	}
	return nil
}

// snapshot returns the shelf as it stands now, for reading.
func (s *shelf) snapshot() *shelf {
	s.epoch++
	return &shelf{chunks: slices.Clone(s.chunks), count: s.count}
}

// seek returns the place of the first letter, removed or not, with an id of at least that.
func (s *shelf) seek(id int64) (at, in int) {
	at = sort.Search(len(s.chunks), func(i int) bool {
		ids := s.chunks[i].ids
		return ids[len(ids)-1] >= id
	})
	if at < len(s.chunks) {
		in, _ = slices.BinarySearch(s.chunks[at].ids, id)
	}
	return at, in
}

func (s *shelf) at(at, in int) *deadLetter {
	if at >= len(s.chunks) {
		return nil
	}
	return s.chunks[at].letters[in]
}

// own returns a chunk that no snapshot shares, a copy if need be.
func (s *shelf) own(at int) *chunk {
	c := s.chunks[at]
	if c.epoch != s.epoch {
		c = &chunk{ids: slices.Clone(c.ids), letters: slices.Clone(c.letters), live: c.live, epoch: s.epoch}
		s.chunks[at] = c
	}
	return c
}
