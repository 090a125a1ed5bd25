// Package storagetest has what export.Storage promises as tests, for those who write one.
//
//	func TestStorage(t *testing.T) {
//		storagetest.Run(t, func(t *testing.T) export.Storage { return newStorage(t) })
//	}
package storagetest

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/export"
)

// Run runs the tests. open returns a Storage with nothing in it, and is called once for each test.
func Run(t *testing.T, open func(t *testing.T) export.Storage) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, export.Storage){
		"a file is there when it is committed":         commit,
		"a commit replaces what stood there":           replace,
		"an abort leaves nothing":                      abort,
		"a context that ends leaves nothing":           canceled,
		"a file supersedes earlier unfinished ones":    supersede,
		"a delete can be repeated":                     remove,
		"parts of a file can be read":                  seek,
		"large files come back":                        large,
		"names of the Exporter are taken":              names,
		"names that lead elsewhere are refused":        badNames,
		"many files can be written and read at a time": concurrently,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

// begin begins a file with content.
func begin(t *testing.T, storage export.Storage, name, content string) export.File {
	t.Helper()
	file, err := storage.Create(t.Context(), name)
	require.NoError(t, err)
	_, err = io.WriteString(file, content)
	require.NoError(t, err)
	return file
}

// requireContent asserts what a file holds.
func requireContent(t *testing.T, storage export.Storage, name, want string) {
	t.Helper()
	file, err := storage.Open(t.Context(), name)
	require.NoError(t, err)
	content, err := io.ReadAll(file)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	require.Equal(t, want, string(content))
}

func requireMissing(t *testing.T, storage export.Storage, name string) {
	t.Helper()
	_, err := storage.Open(t.Context(), name)
	require.ErrorIs(t, err, export.ErrNotFound)
}

func commit(t *testing.T, storage export.Storage) {
	requireMissing(t, storage, "x.json")
	file := begin(t, storage, "x.json", "one")
	requireMissing(t, storage, "x.json")
	require.NoError(t, file.Commit())
	requireContent(t, storage, "x.json", "one")
	require.NoError(t, file.Abort(), "after Commit it does nothing")
	require.Error(t, file.Commit(), "only once")
	requireContent(t, storage, "x.json", "one")
	require.NoError(t, begin(t, storage, "empty.json", "").Commit())
	requireContent(t, storage, "empty.json", "")
}

func replace(t *testing.T, storage export.Storage) {
	require.NoError(t, begin(t, storage, "x.json", "the first").Commit())
	file := begin(t, storage, "x.json", "2nd")
	requireContent(t, storage, "x.json", "the first")
	require.NoError(t, file.Commit())
	requireContent(t, storage, "x.json", "2nd")
}

func abort(t *testing.T, storage export.Storage) {
	file := begin(t, storage, "x.json", "one")
	require.NoError(t, file.Abort())
	require.NoError(t, file.Abort(), "twice")
	require.Error(t, file.Commit())
	requireMissing(t, storage, "x.json")
	require.NoError(t, begin(t, storage, "x.json", "old").Commit())
	require.NoError(t, begin(t, storage, "x.json", "new").Abort())
	requireContent(t, storage, "x.json", "old")
}

// canceled holds that a file which is aborted because its context ended is gone. Whether it could still have been committed is
// the Storage's.
func canceled(t *testing.T, storage export.Storage) {
	ctx, cancel := context.WithCancel(t.Context())
	file, err := storage.Create(ctx, "x.json")
	require.NoError(t, err)
	_, err = io.WriteString(file, "one")
	require.NoError(t, err)
	cancel()
	require.NoError(t, file.Abort())
	requireMissing(t, storage, "x.json")
}

func supersede(t *testing.T, storage export.Storage) {
	first := begin(t, storage, "x.json", "first")
	unrelated := begin(t, storage, "x.json2", "unrelated")
	second := begin(t, storage, "x.json", "second")
	require.Error(t, first.Commit(), "its owner lost the export")
	require.NoError(t, second.Commit())
	require.NoError(t, unrelated.Commit())
	requireContent(t, storage, "x.json", "second")
	requireContent(t, storage, "x.json2", "unrelated")
}

func remove(t *testing.T, storage export.Storage) {
	require.NoError(t, storage.Delete(t.Context(), "x.json"), "it never was")
	require.NoError(t, begin(t, storage, "x.json", "one").Commit())
	require.NoError(t, begin(t, storage, "y.json", "two").Commit())
	require.NoError(t, storage.Delete(t.Context(), "x.json"))
	require.NoError(t, storage.Delete(t.Context(), "x.json"))
	requireMissing(t, storage, "x.json")
	requireContent(t, storage, "y.json", "two")
}

func seek(t *testing.T, storage export.Storage) {
	require.NoError(t, begin(t, storage, "x.json", "0123456789").Commit())
	file, err := storage.Open(t.Context(), "x.json")
	require.NoError(t, err)
	size, err := file.Seek(0, io.SeekEnd)
	require.NoError(t, err)
	assert.EqualValues(t, 10, size)
	for _, at := range []int64{7, 0, 3} {
		got, err := file.Seek(at, io.SeekStart)
		require.NoError(t, err)
		assert.Equal(t, at, got)
		part := make([]byte, 3)
		_, err = io.ReadFull(file, part)
		require.NoError(t, err)
		assert.Equal(t, "0123456789"[at:at+3], string(part))
	}
	require.NoError(t, file.Close())
}

func large(t *testing.T, storage export.Storage) {
	content := strings.Repeat("0123456789abcdef", 1<<17) // 2 MiB
	file := begin(t, storage, "x.ndjson", "")
	for at := 0; at < len(content); at += 64 << 10 {
		_, err := io.WriteString(file, content[at:at+64<<10])
		require.NoError(t, err)
	}
	require.NoError(t, file.Commit())
	requireContent(t, storage, "x.ndjson", content)
}

func names(t *testing.T, storage export.Storage) {
	for _, name := range []string{"a", "_x", "-x", "A.b_c-d..json", strings.Repeat("a", 200)} {
		require.True(t, export.IsFileName(name))
		require.NoError(t, begin(t, storage, name, name).Commit(), "%q", name)
		requireContent(t, storage, name, name)
	}
}

func badNames(t *testing.T, storage export.Storage) {
	for _, name := range []string{"", ".", "..", "../x", "/x", "a/../../x", "a/b", ".hidden", "a\x00b", "a\n", "%2e%2e%2fx"} {
		require.False(t, export.IsFileName(name))
		_, err := storage.Create(t.Context(), name)
		require.ErrorIs(t, err, export.ErrBadName, "%q", name)
		_, err = storage.Open(t.Context(), name)
		require.ErrorIs(t, err, export.ErrBadName, "%q", name)
		require.ErrorIs(t, storage.Delete(t.Context(), name), export.ErrBadName, "%q", name)
	}
}

func concurrently(t *testing.T, storage export.Storage) {
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			name := fmt.Sprint(i, ".json")
			file, err := storage.Create(t.Context(), name)
			if !assert.NoError(t, err) {
				return
			}
			_, err = io.WriteString(file, name)
			assert.NoError(t, err)
			assert.NoError(t, file.Commit())
		})
	}
	all.Wait()
	for i := range 8 {
		requireContent(t, storage, fmt.Sprint(i, ".json"), fmt.Sprint(i, ".json"))
	}
}
