package testserver

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestProgram(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, v := range []string{"9.6", "15", "16", "17"} {
		bin := filepath.Join(root, v, "bin")
		require.NoError(t, os.MkdirAll(bin, 0o755))
		mode := os.FileMode(0o755)
		if v == "17" {
			mode = 0o644 // not a program
		}
		require.NoError(t, os.WriteFile(filepath.Join(bin, "some-server"), nil, mode))
	}
	path, err := Program{"unknown-server", "some-server"}.find([]string{"/nowhere", filepath.Join(root, "*", "bin")})
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(root, "16", "bin", "some-server"), path)

	path, err = Program{"go"}.find([]string{root, inPath})
	require.NoError(t, err)
	assert.Equal(t, "go", filepath.Base(path))

	_, err = Program{"unknown-server"}.find([]string{root})
	require.ErrorIs(t, err, ErrNotInstalled)
	require.NoError(t, Missing(Program{"go"}))
	require.EqualError(t, Missing(Program{"go"}, Program{"a"}, Program{"b", "c"}), "a, b: not installed")
}
