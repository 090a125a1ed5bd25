package sqlstore

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
		text, err := EncodeMetadata(metadata)
		require.NoError(t, err)
		require.True(t, json.Valid([]byte(text)), text)
		back, err := DecodeMetadata(text)
		require.NoError(t, err)
		assert.Equal(t, metadata, back)
	})
}
