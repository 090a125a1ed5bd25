package management

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestConfigDefaults(t *testing.T) {
	t.Parallel()
	var none *Config
	assert.Equal(t, &Config{Logger: slog.Default(), Title: "Redrive", MaxImportBytes: 1 << 30}, none.withDefaults())
	given := &Config{Title: "Mine"}
	assert.Equal(t, "Mine", given.withDefaults().Title)
	assert.Nil(t, given.Logger, "the caller's is left alone")
}

func TestConfigValidate(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"", "/", "/manage", "/manage/", "/a/b"} {
		require.NoError(t, (&Config{Base: base}).Validate(), base)
	}
	for _, base := range []string{"manage", "/a//b", "/a/../b", "//", "./a", "/."} {
		require.ErrorContains(t, (&Config{Base: base}).Validate(), "Config.Base", base)
	}
	require.ErrorContains(t, (&Config{MaxImportBytes: -1}).Validate(), "Config.MaxImportBytes")
	var none *Config
	require.NoError(t, none.Validate())
}
