package sqlstore

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestFloors(t *testing.T) {
	t.Parallel()
	var f floors
	assert.Equal(t, fullID(2, 0), f.above(2))
	f.raise(2, fullID(2, 1000))
	f.raise(2, fullID(2, 10))
	assert.Equal(t, fullID(2, 1000), f.above(2))
	assert.Equal(t, fullID(1, 0), f.above(1))
}
