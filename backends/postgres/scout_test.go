package postgres

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// day begins the time of these tests.
var day = time.Date(2026, time.November, 25, 0, 0, 0, 0, time.UTC)

// scouting is a scout that looks at a time of its own.
type scouting struct {
	*testing.T
	*scout
	at time.Time
}

func newScouting(t *testing.T) *scouting {
	return &scouting{t, newScout(
		depth{back: time.Second, every: 100 * time.Millisecond},
		depth{back: 10 * time.Second, every: time.Second},
		depth{every: 5 * time.Second},
	), day}
}

// look expects a look from a position, at a depth, that takes no time, and reports what it found.
func (s *scouting) look(from int64, depth int, found int64, more bool) {
	s.Helper()
	l := s.begin(s.at)
	assert.Equal(s, from, l.from)
	assert.Equal(s, depth, l.depth)
	s.end(l, found, more, s.at)
}

func TestScout(t *testing.T) {
	t.Parallel()
	s := newScouting(t)
	s.look(0, 2, 100, true) // the first look is at everything
	s.look(100, atNew, 200, true)
	s.look(200, atNew, 300, true)
	s.at = s.at.Add(100 * time.Millisecond)
	s.look(0, 0, 310, true) // what became visible behind the cursor
	s.look(310, atNew, 0, false)
	s.look(0, 0, 0, false) // nothing is ahead of the cursor any more
	s.at = s.at.Add(900 * time.Millisecond)
	s.look(0, 1, 400, true)
	s.at = s.at.Add(100 * time.Millisecond)
	s.look(100, 0, 410, true) // what was newest a second ago is the floor
	s.at = s.at.Add(4 * time.Second)
	s.look(0, 2, 500, true)
}

func TestScoutsFloorsRise(t *testing.T) {
	t.Parallel()
	s := newScouting(t)
	for second := range int64(60) {
		l := s.begin(s.at)
		if floor := s.depths[l.depth].floor; assert.Equal(t, floor, l.from) && l.depth < 2 && second > 20 {
			age := time.Duration(second-l.from) * time.Second
			assert.GreaterOrEqual(t, age, s.depths[l.depth].back)
			assert.LessOrEqual(t, age, 2*s.depths[l.depth].back+time.Second)
		}
		s.end(l, second, false, s.at)
		s.at = s.at.Add(time.Second)
	}
	assert.Zero(t, s.depths[2].floor)
}

// Looks that take long, because a long transaction keeps the remains of a busy day, are seldom, also where nothing comes of
// them: the server may have ended them.
func TestScoutSparesLongLooks(t *testing.T) {
	t.Parallel()
	const took = time.Second
	for _, failed := range []bool{false, true} {
		s := newScouting(t)
		s.look(0, 2, 7, true)
		s.at = s.at.Add(5 * time.Second)
		l := s.begin(s.at)
		assert.Equal(t, 2, l.depth)
		s.at = s.at.Add(took)
		if failed {
			s.fail(l, s.at)
		} else {
			s.end(l, 7, true, s.at)
		}
		s.at = s.at.Add(lookShare*took - 1)
		s.look(7, atNew, 7, true)
		s.at = s.at.Add(1)
		s.look(0, 2, 7, true)
	}
}

// What was given back is looked at next, until it was; also what was given back during a look.
func TestScoutRecalls(t *testing.T) {
	t.Parallel()
	s := newScouting(t)
	s.look(0, 2, 500, true)
	for i := range s.depths {
		s.depths[i].floor = 350
	}
	s.recall(450)
	s.recall(400)
	s.recall(420)
	l := s.begin(s.at)
	assert.EqualValues(t, 400, l.from)
	assert.Equal(t, atNew, l.depth, "no deep look is due for it")
	s.recall(300)
	s.end(l, 410, true, s.at)
	s.look(300, atNew, 0, true) // had no place for any
	l = s.begin(s.at)
	assert.EqualValues(t, 300, l.from)
	s.fail(l, s.at)
	s.look(300, 0, 410, true)
	s.recall(0)
	s.look(0, atNew, 410, true)
	s.look(410, atNew, 0, false)
}
