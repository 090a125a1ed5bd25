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
	position, at := s.from(s.at)
	assert.Equal(s, from, position)
	assert.Equal(s, depth, at)
	s.looked(at, found, more, s.at, s.at)
}

func TestScout(t *testing.T) {
	t.Parallel()
	s := newScouting(t)
	s.look(0, 2, 100, true) // the first look is at everything
	s.look(100, atCursor, 200, true)
	s.look(200, atCursor, 300, true)
	s.at = s.at.Add(100 * time.Millisecond)
	s.look(0, 0, 310, true) // what became visible behind the cursor
	s.look(310, atCursor, 0, false)
	s.look(0, 0, 0, false) // nothing is ahead of the cursor any more
	s.at = s.at.Add(900 * time.Millisecond)
	s.look(0, 1, 400, true)
	s.at = s.at.Add(100 * time.Millisecond)
	s.look(100, 0, 410, true) // what was newest a second ago is the floor
	s.at = s.at.Add(4 * time.Second)
	s.look(0, 2, 500, true)
	s.again()
	s.look(0, 2, 0, false) // something was given back
}

func TestScoutsFloorsRise(t *testing.T) {
	t.Parallel()
	s := newScouting(t)
	for second := range int64(60) {
		position, at := s.from(s.at)
		if floor := s.depths[at].floor; assert.Equal(t, floor, position) && at < 2 && second > 20 {
			age := time.Duration(second-position) * time.Second
			assert.GreaterOrEqual(t, age, s.depths[at].back)
			assert.LessOrEqual(t, age, 2*s.depths[at].back+time.Second)
		}
		s.looked(at, second, false, s.at, s.at)
		s.at = s.at.Add(time.Second)
	}
	assert.Zero(t, s.depths[2].floor)
}

// Looks that take long, because a long transaction keeps the remains of a busy day, are seldom.
func TestScoutSparesLongLooks(t *testing.T) {
	t.Parallel()
	s := newScouting(t)
	const took = time.Second
	s.looked(2, 1, true, s.at, s.at.Add(took))
	s.at = s.at.Add(took + lookShare*took - 1)
	_, at := s.from(s.at)
	assert.Equal(t, atCursor, at)
	_, at = s.from(s.at.Add(1))
	assert.Equal(t, 2, at)
}
