package indent

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestJSON(t *testing.T) {
	t.Parallel()
	text, ok := JSON([]byte(`{"a":[1]}`))
	assert.True(t, ok)
	assert.Equal(t, "{\n  \"a\": [\n    1\n  ]\n}", text)
	for _, no := range []string{"", "{", "text", strings.Repeat("[", 21) + strings.Repeat("]", 21)} {
		_, ok := JSON([]byte(no))
		assert.False(t, ok, no)
	}
	_, ok = JSON([]byte(strings.Repeat("[", 20) + strings.Repeat("]", 20)))
	assert.True(t, ok)
	assert.Equal(t, 3, depth([]byte(`[{"a":[]},[]]`)))
}
