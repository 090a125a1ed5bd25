package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"time"
)

// download brings the file of an export to path. Until its checksum is right it has another name.
type download struct {
	poller
	client *client
	record *exportRecord
	shown  *progress
	path   string

	part *os.File
	hash hash.Hash
	// have is how many bytes of the file are in part.
	have int64
	// drawn is when the progress was last shown.
	drawn time.Time
}

func (d *download) run(ctx context.Context) (err error) {
	name := d.path + "." + d.record.ID + ".part"
	if d.part, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600); err != nil { //nolint:gosec // the operator names the file
		return d.broken(err)
	}
	defer func() {
		if closed := d.part.Close(); err == nil && closed != nil {
			err = d.broken(closed)
		}
		if err == nil {
			err = d.publish(name)
		}
	}()
	if err := d.readPart(); err != nil {
		return d.broken(err)
	}
	if err := d.fetch(ctx); err != nil {
		return err
	}
	if err := d.verify(name); err != nil {
		return err
	}
	if err := d.part.Sync(); err != nil {
		return d.broken(err)
	}
	return nil
}

// broken is a failure of the disk.
func (d *download) broken(err error) error {
	return &failure{code: exitFailed, what: err.Error(), err: err, advice: "is there room, and may you write there? -o chooses another place"}
}

// readPart takes over what is there of an interrupted download.
func (d *download) readPart() (err error) {
	d.hash = sha256.New()
	if d.have, err = io.Copy(d.hash, d.part); err != nil || d.have == 0 {
		return err
	}
	if d.have > d.record.Bytes {
		return d.restart()
	}
	d.shown.note("going on after %s that are there already", size(d.have))
	return nil
}

// restart begins the file anew.
func (d *download) restart() error {
	d.hash.Reset()
	d.have = 0
	if err := d.part.Truncate(0); err != nil {
		return err
	}
	_, err := d.part.Seek(0, io.SeekStart)
	return err
}

// fetch asks for what is missing until there is nothing.
func (d *download) fetch(ctx context.Context) error {
	misses := 0
	for d.have < d.record.Bytes {
		before := d.have
		err := d.fetchOnce(ctx)
		if d.have != before {
			misses = 0
		}
		switch {
		case err == nil && d.have != before:
			continue
		case err != nil && !mayPass(err) || ctx.Err() != nil:
			return errors.Join(err, ctx.Err())
		case misses == maxMisses:
			return err
		}
		misses++
		d.shown.note("the download broke off after %s; going on from there", size(d.have))
		if err := pause(ctx, d.interval); err != nil {
			return err
		}
	}
	return nil
}

// errStalled ends a download that brings nothing any more.
var errStalled = errors.New("the download stands still")

// fetchOnce asks for what is missing and takes as much as comes.
func (d *download) fetchOnce(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(d.client.timeout, func() { cancel(errStalled) })
	defer stall.Stop()
	r := &request{method: http.MethodGet, path: []string{"exports", d.record.ID, "download"}, header: http.Header{
		"Accept-Encoding": {"identity"}, // ranges are of the plain file
	}}
	if d.have > 0 {
		r.header["Range"] = []string{fmt.Sprintf("bytes=%d-", d.have)}
		r.header["If-Range"] = []string{`"` + d.record.SHA256 + `"`}
	}
	response, err := d.client.open(ctx, r)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if err := d.place(response); err != nil {
		return err
	}
	_, err = io.Copy(&sink{d, stall}, io.LimitReader(response.Body, d.record.Bytes-d.have))
	if _, disk := errors.AsType[*fs.PathError](err); disk {
		return d.broken(err)
	}
	if err != nil {
		return newNoAnswer(ctx, r, response.Request.URL, err)
	}
	return nil
}

// place makes sure that what comes goes on where the part ends.
func (d *download) place(response *http.Response) error {
	if response.StatusCode != http.StatusPartialContent {
		if d.have == 0 {
			return nil
		}
		if err := d.restart(); err != nil { // the server sends it whole
			return d.broken(err)
		}
		return nil
	}
	if from := fmt.Sprintf("bytes %d-", d.have); !strings.HasPrefix(response.Header.Get("Content-Range"), from) {
		return &failure{code: exitFailed, what: fmt.Sprintf("the server sends another part of the file than was asked for: %q",
			response.Header.Get("Content-Range"))}
	}
	return nil
}

// sink takes what is downloaded.
type sink struct {
	*download
	stall *time.Timer
}

func (s *sink) Write(p []byte) (int, error) {
	s.stall.Reset(s.client.timeout)
	n, err := s.part.Write(p)
	s.hash.Write(p[:n])
	s.have += int64(n)
	s.draw()
	return n, err
}

// drawEvery is how long the progress stays as it is.
const drawEvery = 100 * time.Millisecond

func (d *download) draw() {
	if !d.shown.live || time.Since(d.drawn) < drawEvery {
		return
	}
	d.drawn = time.Now()
	d.shown.show("", fmt.Sprintf("%s %s of %s", bar(d.have, d.record.Bytes), size(d.have), size(d.record.Bytes)))
}

// verify compares the checksum. A file that is not the right one is of no use to anybody.
func (d *download) verify(name string) error {
	got := hex.EncodeToString(d.hash.Sum(nil))
	if got == d.record.SHA256 {
		return nil
	}
	f := &failure{code: exitFailed, what: fmt.Sprintf("the checksum is wrong: %s, not %q; the file was thrown away", got, d.record.SHA256),
		advice: "download it again; if that does not help, what is between here and the server changes it"}
	if err := os.Remove(name); err != nil {
		f.what = fmt.Sprintf("the checksum is wrong: %s, not %q; remove %s", got, d.record.SHA256, name)
	}
	return f
}

// publish gives the file its name, unless somebody took that meanwhile.
func (d *download) publish(name string) error {
	if err := checkFree(d.path); err != nil {
		return err
	}
	if err := os.Rename(name, d.path); err != nil {
		return d.broken(err)
	}
	return nil
}
