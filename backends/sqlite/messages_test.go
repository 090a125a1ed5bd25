package sqlite

import (
	"encoding/json"
	"testing"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestMetadataComesBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		metadata := message.Metadata(rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "metadata"))
		text, err := encodeMetadata(metadata)
		require.NoError(t, err)
		require.True(t, json.Valid([]byte(text)), text)
		back, err := decodeMetadata(text)
		require.NoError(t, err)
		assert.Equal(t, metadata, back)
	})
}

func TestWiden(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "INSERT INTO t (a, b) VALUES (?, ?), (?, ?), (?, ?) ON CONFLICT DO NOTHING",
		widen("INSERT INTO t (a, b) VALUES (?, ?) ON CONFLICT DO NOTHING", 3))
}
