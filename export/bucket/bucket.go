// Package bucket keeps the files of exports in a bucket of a cloud: whatever gocloud.dev/blob has a driver for, S3, Google Cloud
// Storage and Azure among them. It is a module of its own, so that the library needs none of that.
//
//	opened, err := blob.OpenBucket(ctx, "s3://shop-exports?region=eu-central-1") // with _ "gocloud.dev/blob/s3blob"
//	if err != nil {
//		return err
//	}
//	defer opened.Close()
//	exporter, err := export.NewExporter(backend.Exports, backend.DeadLetters, bucket.New(opened), nil)
//
// Files stand in the bucket under the names that the Exporter gives them; blob.PrefixedBucket puts them into a folder. Who may
// read the bucket may read the payloads. Files that nobody deleted stay until the bucket's own rules remove them, which the
// record of an export does not notice: its download then answers export.ErrNotFound.
package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"sync"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/redrive-go/redrive/export"
)

// ErrSuperseded is returned by the Commit of a file whose name was created anew since.
var ErrSuperseded = errors.New("superseded by a later file of the same name")

// Bucket is an export.Storage in a bucket. Any number of goroutines may use it, and any number of processes the same bucket.
//
// A file is one object, uploaded in parts while it is written, and there when Commit returns nil. That a later Create supersedes
// it is noticed within one Bucket. Between processes the last to commit wins; the Exporter makes sure right before a Commit that
// the export is still its own.
type Bucket struct {
	bucket *blob.Bucket
	mu     sync.Mutex
	// latest is the file that was created last of each name, until it ends.
	latest map[string]*file
}

var _ export.Storage = (*Bucket)(nil)

// New returns the Storage in a bucket, which the caller closes when neither the Storage nor a file of it is used any more.
func New(bucket *blob.Bucket) *Bucket {
	return &Bucket{bucket: bucket, latest: map[string]*file{}}
}

// Create begins a file. See export.Storage. The end of ctx aborts it. It returns export.ErrBadName for a name that
// export.IsFileName does not know.
func (b *Bucket) Create(ctx context.Context, name string) (export.File, error) {
	if err := checkName("create", name); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	format := strings.TrimPrefix(path.Ext(name), ".")
	writer, err := b.bucket.NewWriter(ctx, name, &blob.WriterOptions{ContentType: export.ContentType(format)})
	if err != nil {
		cancel()
		return nil, fmt.Errorf("bucket: create %s: %w", name, err)
	}
	f := &file{bucket: b, name: name, writer: writer, cancel: cancel}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.latest[name] = f
	return f, nil
}

// Open returns a committed file, export.ErrNotFound where there is none, or export.ErrBadName. It reads from the bucket until
// ctx ends or it is closed, and each part that is sought for with a request of its own.
func (b *Bucket) Open(ctx context.Context, name string) (io.ReadSeekCloser, error) {
	if err := checkName("open", name); err != nil {
		return nil, err
	}
	reader, err := b.bucket.NewReader(ctx, name, nil)
	if gcerrors.Code(err) == gcerrors.NotFound {
		err = errors.Join(export.ErrNotFound, err)
	}
	if err != nil {
		return nil, fmt.Errorf("bucket: open %s: %w", name, err)
	}
	return reader, nil
}

// Delete removes a committed file; a missing one is not an error. It returns export.ErrBadName as Create does.
func (b *Bucket) Delete(ctx context.Context, name string) error {
	if err := checkName("delete", name); err != nil {
		return err
	}
	if err := b.bucket.Delete(ctx, name); err != nil && gcerrors.Code(err) != gcerrors.NotFound {
		return fmt.Errorf("bucket: delete %s: %w", name, err)
	}
	return nil
}

func checkName(operation, name string) error {
	if !export.IsFileName(name) {
		return fmt.Errorf("bucket: %s %.64q: %w", operation, name, export.ErrBadName)
	}
	return nil
}

// end forgets a file, and is whether none of its name was created since.
func (b *Bucket) end(f *file) (latest bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	latest = b.latest[f.name] == f
	if latest {
		delete(b.latest, f.name)
	}
	return latest
}
