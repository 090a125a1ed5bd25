package testserver

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReach(t *testing.T) {
	t.Parallel()
	root, err := MakeFolder()
	require.NoError(t, err)
	defer func() { assert.NoError(t, os.RemoveAll(root)) }()
	require.NoError(t, os.Chmod(root, 0o711))
	require.NoError(t, os.Mkdir(filepath.Join(root, "closed"), 0o700))

	a := &account{name: "somebody"}
	require.NoError(t, a.reach(filepath.Join(root, "x")))
	require.ErrorContains(t, a.reach(filepath.Join(root, "closed", "x")), "cannot be reached by the user somebody")
	require.NoError(t, (*account)(nil).reach(filepath.Join(root, "closed", "x")), "we reach our own")
}

func TestFindAccount(t *testing.T) {
	t.Parallel()
	a, err := findAccount("no-such-user")
	require.NoError(t, err)
	if os.Getuid() != 0 {
		assert.Nil(t, a)
		return
	}
	assert.Equal(t, "nobody", a.name)
	assert.NotZero(t, a.uid)
}
