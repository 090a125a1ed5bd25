package bucket

import (
	"context"
	"fmt"
	"os"

	"gocloud.dev/blob"
)

// file is an object that is being uploaded.
type file struct {
	bucket *Bucket
	name   string
	writer *blob.Writer
	// cancel makes the writer's Close drop what was written.
	cancel context.CancelFunc
	ended  bool
}

// Write appends to the file.
func (f *file) Write(b []byte) (int, error) { return f.writer.Write(b) }

// Commit completes the upload. Where a later Create of the same name superseded this file, it drops it and returns
// ErrSuperseded.
func (f *file) Commit() error {
	if f.ended {
		return fmt.Errorf("bucket: commit %s: %w", f.name, os.ErrClosed)
	}
	f.ended = true
	if !f.bucket.end(f) {
		f.drop()
		return fmt.Errorf("bucket: commit %s: %w", f.name, ErrSuperseded)
	}
	defer f.cancel()
	if err := f.writer.Close(); err != nil {
		return fmt.Errorf("bucket: commit %s: %w", f.name, err)
	}
	return nil
}

// Abort drops what was written. What a driver has uploaded of it is not an object, and not to be seen.
func (f *file) Abort() error {
	if !f.ended {
		f.ended = true
		f.bucket.end(f)
		f.drop()
	}
	return nil
}

// drop ends the upload without an object.
func (f *file) drop() {
	f.cancel()
	_ = f.writer.Close() // says that the context has ended
}
