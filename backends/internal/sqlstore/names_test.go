package sqlstore

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNames(t *testing.T) {
	t.Parallel()
	quote := func(name string) string { return "<" + name + ">" }
	own, err := NewNames("", "", 8, quote)
	require.NoError(t, err)
	assert.Equal(t, "redrive_events", own.Table("events"))
	other, err := NewNames("Other", "my_", 8, quote)
	require.NoError(t, err)
	assert.Equal(t, "<Other>.my_events", other.Table("events"))
	assert.Equal(t, "CREATE INDEX my_a ON <Other>.my_events (a)", other.In("CREATE INDEX {p}a ON {s}{p}events (a)"))
	assert.NotEqual(t, own.Hash("a"), other.Hash("a"))
	assert.NotEqual(t, own.Hash("a"), own.Hash("b"))

	_, err = NewNames("too long a name", "Drop ", 8, quote)
	require.ErrorContains(t, err, "Schema must have at most 8 bytes")
	require.ErrorContains(t, err, "TablePrefix")
	_, err = NewNames("", strings.Repeat("x", 31), 8, quote)
	require.ErrorContains(t, err, "TablePrefix")
}
