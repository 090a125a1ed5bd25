package asyncevents

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
)

// Ids of keys are correlation ids, and no two of different clients or keys are the same, however their names run into each other.
func TestIDsOfKeys(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, of := range [][2]string{
		{"", "a"}, {"a", ""}, {"a", "b"}, {"ab", ""}, {"", "ab"}, {`a" "b`, ""}, {"a", "\n0"}, {"a\n", "0"}, {"\xff", "a"}, {"\xfe", "a"},
	} {
		id := idOfKey(of[0], of[1])
		assert.Equal(t, id, idOfKey(of[0], of[1]))
		assert.NoError(t, uuid.Validate(id))
		assert.True(t, isCorrelationID(id))
		assert.False(t, seen[id], "%q", of)
		seen[id] = true
	}
}
