package export_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/export"
)

func newFolder(t *testing.T, dir string) *export.Folder {
	t.Helper()
	folder, err := export.NewFolder(dir)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, folder.Close()) })
	return folder
}

func create(t *testing.T, storage export.Storage, name, content string) export.File {
	t.Helper()
	file, err := storage.Create(context.Background(), name)
	require.NoError(t, err)
	_, err = io.WriteString(file, content)
	require.NoError(t, err)
	return file
}

func read(t *testing.T, storage export.Storage, name string) string {
	t.Helper()
	file, err := storage.Open(context.Background(), name)
	require.NoError(t, err)
	b, err := io.ReadAll(file)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	return string(b)
}

// names returns what stands in a folder, hidden files included.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	list := []string{}
	for _, entry := range entries {
		list = append(list, entry.Name())
	}
	return list
}

func TestFolder_commit(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	folder := newFolder(t, dir)
	info, err := os.Stat(dir)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	assert.Empty(t, names(t, dir), "the probe is gone")

	file := create(t, folder, "x.json", "one")
	_, err = folder.Open(t.Context(), "x.json")
	require.ErrorIs(t, err, export.ErrNotFound, "nothing to be seen before Commit")
	require.NoError(t, file.Commit())
	assert.Equal(t, "one", read(t, folder, "x.json"))
	info, err = os.Stat(filepath.Join(dir, "x.json"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.NoError(t, file.Abort(), "after Commit it does nothing")
	require.ErrorIs(t, file.Commit(), os.ErrClosed)

	require.NoError(t, create(t, folder, "x.json", "2").Commit(), "overwrites")
	assert.Equal(t, "2", read(t, folder, "x.json"))
	assert.Equal(t, []string{"x.json"}, names(t, dir))

	require.NoError(t, folder.Delete(t.Context(), "x.json"))
	require.NoError(t, folder.Delete(t.Context(), "x.json"), "a missing file is no error")
	assert.Empty(t, names(t, dir))
}

func TestFolder_abort(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folder := newFolder(t, dir)
	require.NoError(t, create(t, folder, "x.json", "old").Commit())
	file := create(t, folder, "x.json", "new")
	assert.Len(t, names(t, dir), 2)
	require.NoError(t, file.Abort())
	require.NoError(t, file.Abort(), "twice")
	require.ErrorIs(t, file.Commit(), os.ErrClosed)
	assert.Equal(t, []string{"x.json"}, names(t, dir))
	assert.Equal(t, "old", read(t, folder, "x.json"))
}

func TestFolder_supersede(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	paused, other := newFolder(t, dir), newFolder(t, dir)
	first := create(t, paused, "x.json", "first")
	unrelated := create(t, paused, "x.json2", "unrelated")
	second := create(t, other, "x.json", "second")
	require.ErrorIs(t, first.Commit(), os.ErrNotExist)
	require.NoError(t, second.Commit())
	require.NoError(t, unrelated.Commit())
	assert.Equal(t, "second", read(t, other, "x.json"))
	assert.Equal(t, []string{"x.json", "x.json2"}, names(t, dir))
}

func TestFolder_hostileNames(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	secret := filepath.Join(parent, "secret")
	require.NoError(t, os.WriteFile(secret, []byte("secret"), 0o600))
	folder := newFolder(t, filepath.Join(parent, "exports"))
	for _, name := range []string{
		"", ".", "..", "../secret", "..\\secret", secret, "/etc/passwd", "a/b", "a/../../secret", ".hidden", "a\x00b", "a\nb",
		"a\n", `a"b`, "a'b", "a b", "ä", "a~b", "C:secret", "%2e%2e%2fsecret", strings.Repeat("a", 201),
	} {
		_, err := folder.Create(t.Context(), name)
		require.ErrorIs(t, err, export.ErrBadName, "%q", name)
		_, err = folder.Open(t.Context(), name)
		require.ErrorIs(t, err, export.ErrBadName, "%q", name)
		require.ErrorIs(t, folder.Delete(t.Context(), name), export.ErrBadName, "%q", name)
	}
	require.NoError(t, create(t, folder, strings.Repeat("a", 200), "").Commit(), "the longest name")
	content, err := os.ReadFile(secret) //nolint:gosec // made above
	require.NoError(t, err)
	assert.Equal(t, "secret", string(content))
}

func TestFolder_links(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	secret := filepath.Join(parent, "secret")
	require.NoError(t, os.WriteFile(secret, []byte("secret"), 0o600))
	dir := filepath.Join(parent, "exports")
	folder := newFolder(t, dir)
	require.NoError(t, os.Symlink("../secret", filepath.Join(dir, "relative")))
	require.NoError(t, os.Symlink(secret, filepath.Join(dir, "absolute")))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "folder"), 0o700))
	for _, name := range []string{"relative", "absolute", "folder"} {
		_, err := folder.Open(t.Context(), name)
		require.ErrorContains(t, err, "not a regular file")
	}
	require.NoError(t, create(t, folder, "relative", "mine").Commit())
	assert.Equal(t, "mine", read(t, folder, "relative"), "the link was replaced, not followed")
	require.NoError(t, folder.Delete(t.Context(), "absolute"))
	content, err := os.ReadFile(secret) //nolint:gosec // made above
	require.NoError(t, err)
	assert.Equal(t, "secret", string(content))
	require.Error(t, create(t, folder, "folder", "mine").Commit())
	assert.Equal(t, []string{"folder", "relative"}, names(t, dir), "a failed Commit leaves nothing")
}

func TestNewFolder_unusable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	unwritable := "/proc/self" // where even root cannot make a file
	if os.Geteuid() != 0 {
		unwritable = filepath.Join(dir, "unwritable")
		require.NoError(t, os.Mkdir(unwritable, 0o500)) //nolint:gosec // a folder needs its x
	}
	for path, text := range map[string]string{
		"":                         "no path given",
		file:                       "create folder",
		filepath.Join(file, "sub"): "create folder",
		unwritable:                 "cannot be written to",
	} {
		folder, err := export.NewFolder(path)
		require.ErrorContains(t, err, text)
		require.ErrorContains(t, err, path)
		assert.Nil(t, folder)
	}
}

func TestNewFolder_leftovers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folder := newFolder(t, dir)
	dead, live := create(t, folder, "dead.json", "x"), create(t, folder, "live.json", "x")
	foreign := filepath.Join(dir, ".gitignore")
	require.NoError(t, os.WriteFile(foreign, nil, 0o600))
	old := time.Now().Add(-2 * time.Hour)
	require.NoError(t, os.Chtimes(foreign, old, old))
	for _, name := range names(t, dir) {
		if strings.HasPrefix(name, ".dead.json") {
			require.NoError(t, os.Chtimes(filepath.Join(dir, name), old, old))
		}
	}
	newFolder(t, dir)
	require.NoError(t, live.Commit(), "another process is still writing it")
	require.Error(t, dead.Commit())
	assert.Equal(t, []string{".gitignore", "live.json"}, names(t, dir))
}
