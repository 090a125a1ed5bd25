package export

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/google/uuid"
)

// leftoverAge is how long an unfinished file must have gone unwritten before NewFolder takes it for a dead process's.
// Other processes may be writing to the same folder, and a file that is alive grows by the second.
const leftoverAge = time.Hour

// Folder is a Storage in a folder of the file system. No name leads out of it, not even through a symbolic link.
// Several processes may share one folder. Any number of goroutines may use it.
//
// A file that is not committed yet stands in the folder too, under a name that begins with a dot. What a
// crash left behind is removed when its export starts over, and otherwise by a NewFolder an hour later.
type Folder struct {
	root *os.Root
}

var _ Storage = (*Folder)(nil)

// NewFolder returns the Folder at dir, which it creates with mode 0700 where it is missing. It fails when
// the folder cannot be written to.
func NewFolder(dir string) (*Folder, error) {
	if dir == "" {
		return nil, errors.New("export: folder: no path given")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("export: create folder %q: %w", dir, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("export: open folder %q: %w", dir, err)
	}
	f := &Folder{root}
	if err := f.probe(); err != nil {
		return nil, errors.Join(fmt.Errorf("export: folder %q cannot be written to: %w", dir, err), root.Close())
	}
	if err := f.removeUnfinished(".", time.Now().Add(-leftoverAge)); err != nil {
		return nil, errors.Join(fmt.Errorf("export: clear folder %q of leftovers: %w", dir, err), root.Close())
	}
	return f, nil
}

// Close releases the folder. Files that were opened or created before stay usable, but can no longer be committed.
func (f *Folder) Close() error { return f.root.Close() }

// Create begins a file, which nobody but this process's user may read. See Storage. It returns ErrBadName for a name that is
// not 1 to 200 of A-Z, a-z, 0-9, dot, hyphen and underscore, or begins with a dot.
func (f *Folder) Create(_ context.Context, name string) (File, error) {
	if err := checkName("create", name); err != nil {
		return nil, err
	}
	if err := f.removeUnfinished(unfinishedPrefix(name), time.Time{}); err != nil {
		return nil, fmt.Errorf("export: create file %s: %w", name, err)
	}
	p, err := f.begin(name)
	if err != nil {
		return nil, fmt.Errorf("export: create file %s: %w", name, err)
	}
	return p, nil
}

// Open returns a committed file, ErrNotFound where there is none, or ErrBadName for a name that Create would refuse. It
// opens regular files only.
func (f *Folder) Open(_ context.Context, name string) (io.ReadSeekCloser, error) {
	if err := checkName("open", name); err != nil {
		return nil, err
	}
	// A pipe would block the opening itself, so the look comes first. What is swapped in between still cannot lead
	// out of the folder.
	info, err := f.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("export: open file %s: %w", name, ErrNotFound)
	}
	if err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("export: open file %s: not a regular file", name)
	}
	if err != nil {
		return nil, fmt.Errorf("export: open file %s: %w", name, err)
	}
	file, err := f.root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("export: open file %s: %w", name, err)
	}
	return file, nil
}

// Delete removes a committed file durably; a missing one is not an error. It returns ErrBadName for a name that Create would
// refuse.
func (f *Folder) Delete(_ context.Context, name string) error {
	if err := checkName("delete", name); err != nil {
		return err
	}
	if err := errors.Join(f.remove(name), f.sync()); err != nil {
		return fmt.Errorf("export: delete file %s: %w", name, err)
	}
	return nil
}

func checkName(operation, name string) error {
	if !IsFileName(name) {
		return fmt.Errorf("export: %s file %.64q: %w", operation, name, ErrBadName)
	}
	return nil
}

// unfinishedPrefix is how the names of name's unfinished files begin.
func unfinishedPrefix(name string) string { return "." + name + "~" }

// begin makes an unfinished file for name.
func (f *Folder) begin(name string) (*pending, error) {
	unfinished := unfinishedPrefix(name) + uuid.NewString()
	file, err := f.root.OpenFile(unfinished, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return &pending{folder: f, file: file, unfinished: unfinished, name: name}, nil
}

// probe finds out whether a file can be made in the folder.
func (f *Folder) probe() error {
	p, err := f.begin("probe")
	if err != nil {
		return err
	}
	return p.Abort()
}

// removeUnfinished removes unfinished files whose names begin with prefix and that were last written before the given
// time, which does not count when it is zero.
func (f *Folder) removeUnfinished(prefix string, before time.Time) error {
	entries, err := fs.ReadDir(f.root.FS(), ".")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !isUnfinished(entry.Name(), prefix) || !writtenBefore(entry, before) {
			continue
		}
		if err := f.remove(entry.Name()); err != nil {
			return err
		}
	}
	return nil
}

// isUnfinished is whether begin made a file of this name, and whether the name begins with prefix. Other hidden files
// belong to somebody else.
func isUnfinished(file, prefix string) bool {
	name, id, found := strings.Cut(strings.TrimPrefix(file, "."), "~")
	return found && strings.HasPrefix(file, prefix) && IsFileName(name) && uuid.Validate(id) == nil
}

func writtenBefore(entry fs.DirEntry, limit time.Time) bool {
	if limit.IsZero() {
		return true
	}
	info, err := entry.Info()
	return err == nil && info.ModTime().Before(limit)
}

// remove removes a name; a missing one is not an error.
func (f *Folder) remove(name string) error {
	if err := f.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// sync makes the folder's list of names durable.
func (f *Folder) sync() error {
	if runtime.GOOS == "windows" { // which has no such call, and refuses it
		return nil
	}
	dir, err := f.root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
