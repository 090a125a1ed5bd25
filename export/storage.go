package export

import (
	"context"
	"errors"
	"io"
	"regexp"
)

// ErrBadName is returned by a Storage for a name that it does not take.
var ErrBadName = errors.New("not a valid file name")

// fileNames are the names that a Folder takes. That none begins with a dot keeps them apart from unfinished files.
var fileNames = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}$`)

// IsFileName is whether a name is one of those that the Exporter uses, so that every Storage must take it.
func IsFileName(name string) bool { return fileNames.MatchString(name) }

// Storage keeps the files of exports. Folder is one, and package export/bucket, a module of its own, makes one of a bucket of
// a cloud. Package export/storagetest has the tests of what is promised here. Every method may be called from
// any number of goroutines and processes.
//
// The Exporter uses names of 1 to 200 bytes of A-Z, a-z, 0-9, dot, hyphen and underscore that do not begin with a dot.
// A Storage must take these and may refuse all others with ErrBadName.
type Storage interface {
	// Create begins a file. Nothing is to be seen under its name until Commit, which replaces what stood there.
	//
	// It supersedes files of the same name that were created before and are not committed: their owner lost
	// the export to the caller, so their Commit should fail.
	Create(ctx context.Context, name string) (File, error)
	// Open returns a committed file for reading, or ErrNotFound. The caller closes it.
	Open(ctx context.Context, name string) (io.ReadSeekCloser, error)
	// Delete removes a file. A file that is not there is not an error.
	Delete(ctx context.Context, name string) error
}

// File is a file that is being written. It belongs to one goroutine. Exactly one of Commit and Abort ends it; an Abort
// after either is a no-op and returns nil.
type File interface {
	io.Writer
	// Commit puts the file under its name, durably: after a nil error it survives a power cut. After an error
	// the file is gone, or complete under its name.
	Commit() error
	// Abort drops what was written.
	Abort() error
}
