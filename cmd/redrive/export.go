package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
)

// Formats of an export's file.
const (
	formatJSON   = "json"
	formatNDJSON = "ndjson"
)

var exportCommand = command{
	name: "export", args: "QUEUE", least: 1, most: 1, about: "Write the entries of a DLQ to a file",
	details: "The service writes the file as the DLQ stands now; this command waits for it, downloads it, goes on where a broken\n" +
		"download ended, and compares the checksum. Until then the file is called NAME.ID.part. An interrupted one is\n" +
		"continued with the same -o, and -download. redrive export delete deletes what the service keeps.",
	prepare: func(f *flag.FlagSet) action {
		var e exporting
		e.which.register(f)
		e.register(f)
		f.StringVar(&e.path, "o", "", "`file` to write, or folder for it (default redrive-QUEUE-TIME.FORMAT here)")
		f.Func("format", "`json`, or ndjson, one entry a line (default json)", func(text string) error {
			e.format = text
			return oneOf(text, formatJSON, formatNDJSON)
		})
		f.StringVar(&e.id, "download", "", "download the export with this `id` rather than start one")
		return func(ctx context.Context, s *session, args []string) error {
			e.session, e.queue = s, args[0]
			return e.run(ctx)
		}
	},
}

// exporting is one run of the command.
type exporting struct {
	poller
	*session
	queue, path, id string
	format          string // "" is the server's choice
	which           filter
	record          exportRecord
	raw             json.RawMessage
}

func (e *exporting) run(ctx context.Context) error {
	if err := e.check(); err != nil {
		return err
	}
	shown := e.newProgress(e.stderr)
	defer shown.wipe()
	if err := e.begin(ctx); err != nil {
		return err
	}
	shown.note("export %s of %s", e.id, e.queue)
	if err := e.wait(ctx, shown); err != nil {
		return e.unfinished(ctx, err)
	}
	path, err := e.target()
	if err != nil {
		return err
	}
	d := &download{client: e.client, poller: e.poller, record: &e.record, shown: shown, path: path}
	if err := d.run(ctx); err != nil {
		return e.unfinished(ctx, err)
	}
	shown.wipe()
	return e.conclude(path)
}

// check refuses what could not end well before anything is started.
func (e *exporting) check() error {
	if e.id != "" && (e.format != "" || !e.which.empty()) {
		return newUsage("export", "-download is an export that was started already; neither filters nor -format change it")
	}
	if err := e.which.check("export"); err != nil {
		return err
	}
	if e.path == "" || isFolder(e.path) {
		return nil
	}
	return checkFree(e.path)
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// checkFree refuses a path at which something is, or where no file can be.
func checkFree(path string) error {
	switch _, err := os.Lstat(path); {
	case err == nil:
		return &failure{code: exitRefused, what: path + " is there already, and is not overwritten", advice: "choose another name with -o"}
	case !errors.Is(err, fs.ErrNotExist):
		return &failure{code: exitFailed, what: err.Error(), advice: "choose another place with -o"}
	case !isFolder(filepath.Dir(path)):
		return &failure{code: exitFailed, what: "there is no folder " + filepath.Dir(path), advice: "make it, or choose another place with -o"}
	}
	return nil
}

// begin starts the export, or looks up the one that was named.
func (e *exporting) begin(ctx context.Context) error {
	if e.id != "" {
		return e.look(ctx)
	}
	r := &request{method: http.MethodPost, path: []string{"queues", e.queue, "exports"}}
	fields := e.which.fields()
	if e.format != "" {
		fields["format"] = e.format
	}
	if len(fields) > 0 {
		r.fields = fields
	}
	raw, err := e.client.call(ctx, r)
	if err != nil {
		return err
	}
	return e.learn(raw)
}

// look asks how the export stands.
func (e *exporting) look(ctx context.Context) error {
	raw, err := e.client.call(ctx, &request{method: http.MethodGet, path: []string{"exports", e.id}})
	if err != nil {
		return err
	}
	return e.learn(raw)
}

// plainID is what an id may look like that becomes a part of a file's name.
var plainID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func (e *exporting) learn(raw json.RawMessage) (err error) {
	if e.record, err = decode[exportRecord](raw); err != nil {
		return err
	}
	switch {
	case !plainID.MatchString(e.record.ID):
		return &failure{code: exitFailed, what: fmt.Sprintf("the export's id is no id: %q", e.record.ID)}
	case e.record.Queue != e.queue:
		return newNothing(fmt.Sprintf("export %s is of %s, not of %s", e.record.ID, e.record.Queue, e.queue))
	}
	e.id, e.raw = e.record.ID, raw
	return nil
}

// wait waits until the server has written its file.
func (e *exporting) wait(ctx context.Context, shown *progress) error {
	err := e.until(ctx, shown, func(ctx context.Context) (bool, error) {
		if err := e.look(ctx); err != nil {
			return false, err
		}
		line := fmt.Sprintf("%d entries written, %s", e.record.Count, e.record.State)
		shown.show(line, line)
		return e.record.State == stateCompleted || e.record.State == stateFailed, nil
	})
	if err == nil && e.record.State == stateFailed {
		err = &failure{code: exitFailed, what: "the export failed at the server: " + e.record.Error, advice: "start it again"}
	}
	return err
}

// unfinished says how to go on with an export that is, or will be, complete at the server.
func (e *exporting) unfinished(ctx context.Context, err error) error {
	if e.record.State == stateFailed {
		return err
	}
	words := []string{"redrive", "export", e.queue, "-download", e.id}
	if e.path != "" {
		words = append(words, "-o", e.path)
	}
	again := commandLine(words...)
	if ctx.Err() != nil {
		return &failure{code: exitInterrupted, what: "interrupted; the export stays at the server", advice: again + " goes on with it"}
	}
	f := failureOf(ctx, err)
	if mayPass(err) {
		f.advice = again + " goes on with it"
	}
	return f
}

// target is where the file is to be.
func (e *exporting) target() (string, error) {
	format := formatJSON
	if e.record.Format == formatNDJSON {
		format = formatNDJSON
	}
	path, name := e.path, fmt.Sprintf("redrive-%s-%s.%s", e.queue, e.record.CreatedAt.UTC().Format("20060102T150405Z"), format)
	switch {
	case path == "":
		path = name
	case isFolder(path):
		path = filepath.Join(path, name)
	}
	return path, checkFree(path)
}

func (e *exporting) conclude(path string) error {
	if e.json() {
		raw, err := json.Marshal(map[string]any{"file": path, "export": e.raw})
		if err != nil {
			return err
		}
		return e.printJSON(raw)
	}
	e.tell("%s: %d entries, %s, checksum verified: sha256 %s", path, e.record.Count, size(e.record.Bytes), e.record.SHA256)
	return nil
}
