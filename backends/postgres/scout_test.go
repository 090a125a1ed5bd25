package postgres

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestScout(t *testing.T) {
	t.Parallel()
	var s scout
	at := time.Now()
	look := func(wantFrom int64, wantFull bool, found int64, enough bool) {
		t.Helper()
		from, full := s.from(at)
		assert.Equal(t, wantFrom, from)
		assert.Equal(t, wantFull, full)
		s.looked(found, enough, full, at, at)
	}
	look(0, true, 100, true) // the first look is at everything
	look(100, false, 200, true)
	look(200, false, 300, true)
	at = at.Add(lookEvery)
	look(0, false, 310, true) // what was left before the cursor, from the floor
	look(310, false, 0, false)
	look(0, false, 0, false) // nothing is behind the cursor any more
	at = at.Add(fullEvery)
	look(0, true, 0, false)

	at = at.Add(calm)
	look(0, true, 400, true)
	at = at.Add(calm)
	look(0, true, 500, true) // now the floor is what was newest one calm before
	at = at.Add(lookEvery)
	look(400, false, 510, true)
	assert.EqualValues(t, 400, s.lowest())
	s.again()
	look(0, true, 0, false)
}

// A look at everything that takes long, because a long transaction keeps the remains of a busy day, is rare.
func TestScoutSparesLongLooks(t *testing.T) {
	t.Parallel()
	var s scout
	began := time.Now()
	_, full := s.from(began)
	assert.True(t, full)
	ended := began.Add(200 * time.Millisecond)
	s.looked(1, true, full, began, ended)
	_, full = s.from(ended.Add(fullShare*200*time.Millisecond - 1))
	assert.False(t, full)
	_, full = s.from(ended.Add(fullShare * 200 * time.Millisecond))
	assert.True(t, full)
}
