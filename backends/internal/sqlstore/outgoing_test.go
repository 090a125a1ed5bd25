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

func TestPlainMetadataIsReadAsAnyOther(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{}`, `{"a":"1"}`, `{"a":"1","b":""}`, `{"":""}`, `{"a":"1","a":"2"}`, `{"a":":","b":","}`, `{"a":"}"}`,
	} {
		metadata, plain := decodePlain(text)
		require.True(t, plain, text)
		var want message.Metadata
		require.NoError(t, json.Unmarshal([]byte(text), &want), text)
		assert.Equal(t, want, metadata, text)
	}
	for _, text := range []string{
		``, `{`, `}`, `null`, `[]`, `""`, `{"a"}`, `{"a":1}`, `{"a":"1"`, `{"a":"1",}`, `{"a":"1"}}`, `{"a":"1"} `, `{ "a":"1"}`, `{"a": "1"}`,
		`{"a":"1""b":"2"}`, `{,"a":"1"}`, `{"a":"\n"}`, `{"a":"\""}`, `{"é":"1"}`, "{\"a\":\"\n\"}", `{"a":"1","b"}`, `{"a","b":"1"}`,
	} {
		_, plain := decodePlain(text)
		assert.False(t, plain, text)
	}
}
