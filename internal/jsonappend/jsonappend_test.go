package jsonappend_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/redrive-go/redrive/internal/jsonappend"
)

func TestString(t *testing.T) {
	t.Parallel()
	assert.Equal(t, `x"a\"\\\r\n\u0000ä"`, string(jsonappend.String([]byte("x"), "a\"\\\r\n\x00ä")))
	assert.Equal(t, "\"a\ufffdb\"", string(jsonappend.String(nil, "a\xffb")))
}

func TestMembersAreReadBack(t *testing.T) {
	t.Parallel()
	type object struct {
		Text string
		Int  int64
		Bool bool
		Time time.Time
	}
	rapid.Check(t, func(t *rapid.T) {
		want := object{
			rapid.String().Draw(t, "text"), rapid.Int64().Draw(t, "int"), rapid.Bool().Draw(t, "bool"),
			time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "seconds"), rapid.Int64Range(0, 1e9-1).Draw(t, "nanoseconds")).UTC(),
		}
		dst := jsonappend.Text([]byte("{"), "Text", want.Text)
		dst = jsonappend.Int(dst, "Int", want.Int)
		dst = jsonappend.Bool(dst, "Bool", want.Bool)
		dst, err := jsonappend.Time(dst, "Time", want.Time)
		require.NoError(t, err)
		var got object
		require.NoError(t, json.Unmarshal(append(dst, '}'), &got), string(dst))
		assert.Equal(t, want, got)
	})
}

func TestTimeThatCannotBeRead(t *testing.T) {
	t.Parallel()
	_, err := jsonappend.Time([]byte("{"), "at", time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC))
	require.Error(t, err)
}
