package management

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
)

func TestPayloadView(t *testing.T) {
	t.Parallel()
	tests := map[string]payloadView{
		`{"a":[1]}`:   {Text: "{\n  \"a\": [\n    1\n  ]\n}", Size: 9},
		`not json {`:  {Text: "not json {", Size: 10},
		"\xff\x00":    {Text: "/wA=", Binary: true, Size: 2},
		"":            {},
		"\"é\" trail": {Text: "\"é\" trail", Size: 10},
	}
	for payload, want := range tests {
		assert.Equal(t, want, newPayloadView([]byte(payload)), payload)
	}
}

// TestDeepPayloadsStaySmall guards against indentation that grows with the square of the depth.
func TestDeepPayloadsStaySmall(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 9000) + strings.Repeat("]", 9000)
	assert.Len(t, newPayloadView([]byte(deep)).Text, len(deep))
}

func TestPayloadPreviewIsCutBetweenCharacters(t *testing.T) {
	t.Parallel()
	for shift := range 4 {
		long := strings.Repeat("x", shift) + strings.Repeat("😀", previewSize)
		view := newPayloadPreview([]byte(long))
		assert.True(t, view.Cut)
		assert.False(t, view.Binary)
		assert.True(t, utf8.ValidString(view.Text))
		assert.LessOrEqual(t, len(view.Text), previewSize)
		assert.Equal(t, len(long), view.Size)
	}
	binary := newPayloadPreview([]byte(strings.Repeat("\x80", previewSize+1)))
	assert.True(t, binary.Binary)
	assert.False(t, newPayloadPreview([]byte(`{"a":1}`)).Cut)
	assert.Equal(t, strings.Repeat("é", excerptSize/2)+"…", excerpt(strings.Repeat("é", 500)))
}
