package export

import (
	"errors"
	"fmt"
	"os"
)

// pending is a File of a Folder: it is written under a name of its own and renamed when it is complete.
type pending struct {
	folder     *Folder
	file       *os.File
	unfinished string
	name       string
	ended      bool
	unsynced   int // bytes written since the last sync
}

// syncEvery is after how many bytes a file is synced that is being written. All of it at the end would keep the disk busy for
// so long that others, such as the database that is read, could not commit meanwhile.
const syncEvery = 1 << 20

// Write appends to the file.
func (p *pending) Write(b []byte) (int, error) {
	n, err := p.file.Write(b)
	if p.unsynced += n; err == nil && p.unsynced >= syncEvery {
		p.unsynced = 0
		err = p.file.Sync()
	}
	return n, err
}

// Commit makes the content durable, then the name. Where a later Create of the same name superseded this file, its
// unfinished name is gone, and the rename fails.
func (p *pending) Commit() error {
	if p.ended {
		return fmt.Errorf("export: commit file %s: %w", p.name, os.ErrClosed)
	}
	if err := p.publish(); err != nil {
		return fmt.Errorf("export: commit file %s: %w", p.name, errors.Join(err, p.Abort()))
	}
	p.ended = true
	if err := p.folder.sync(); err != nil {
		return fmt.Errorf("export: commit file %s: sync the folder: %w", p.name, err)
	}
	return nil
}

func (p *pending) publish() error {
	if err := p.file.Sync(); err != nil {
		return err
	}
	if err := p.file.Close(); err != nil {
		return err
	}
	return p.folder.root.Rename(p.unfinished, p.name)
}

// Abort removes what was written.
func (p *pending) Abort() error {
	if p.ended {
		return nil
	}
	p.ended = true
	err := p.file.Close()
	if errors.Is(err, os.ErrClosed) { // a Commit came as far as its rename
		err = nil
	}
	if err := errors.Join(err, p.folder.remove(p.unfinished)); err != nil {
		return fmt.Errorf("export: abort file %s: %w", p.name, err)
	}
	return nil
}
