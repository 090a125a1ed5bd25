package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestExport(t *testing.T) {
	t.Parallel()
	s := newService(t)
	assert.Equal(t, exitNothing, s.run("exports", "events").code)
	s.fail(20)
	folder := t.TempDir()
	path := filepath.Join(folder, "before.json")
	out := s.ok("export", "events", "-o", path, "-interval", "1ms")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, fmt.Sprintf("%s: 20 entries, %s, checksum verified: sha256 %x\n", path, size(int64(len(text))), sha256.Sum256(text)), out)
	var file struct{ Entries []entry }
	require.NoError(t, json.Unmarshal(text, &file))
	assert.Len(t, file.Entries, 20)
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm(), "payloads are for nobody else")
	assert.Equal(t, []string{"before.json"}, filesIn(t, folder))

	table := lines(s.ok("exports", "events"))
	assert.Regexp(t, `^\S+ +completed +\S+Z +token +20 +\d`, table[1])
	id := strings.Fields(table[1])[0]
	got := s.run("export", "events", "-o", path)
	assert.Equal(t, exitRefused, got.code)
	assert.Contains(t, got.stderr, "is there already, and is not overwritten")
	assert.Equal(t, exitFailed, s.run("export", "events", "-o", filepath.Join(folder, "none", "x.json")).code)
	assert.Len(t, lines(s.ok("exports", "events", "-output", "json")), 1, "no export was started in vain")

	out = s.ok("export", "events", "-format", "ndjson", "-o", folder, "-interval", "1ms")
	assert.Regexp(t, `redrive-events-\d{8}T\d{6}Z\.ndjson: 20 entries`, out)
	assert.Equal(t, exitUsage, s.run("export", "events", "-format", "xml").code)
	assert.Equal(t, exitUsage, s.run("export", "events", "-format", "json", "-download", id).code)
	assert.Equal(t, exitUsage, s.run("exports", "events", "-limit", "0").code)

	again := s.ok("export", "events", "-download", id, "-o", folder, "-output", "json")
	var named struct{ File string }
	require.NoError(t, json.Unmarshal([]byte(again), &named))
	assert.Regexp(t, `redrive-events-\d{8}T\d{6}Z\.json$`, named.File)
	second, err := os.ReadFile(named.File)
	require.NoError(t, err)
	assert.Equal(t, text, second)
	assert.Equal(t, exitRefused, s.run("export", "events", "-download", id, "-o", folder).code, "the name of the record is taken")
	assert.Equal(t, exitNothing, s.run("export", "callbacks", "-download", id, "-o", folder).code)
	assert.Equal(t, exitNothing, s.run("export", "events", "-download", "none", "-o", folder).code)
}

func TestExportIsDeleted(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.fail(1)
	folder := t.TempDir()
	for _, path := range []string{"a.json", "b.json"} {
		s.ok("export", "events", "-interval", "1ms", "-o", filepath.Join(folder, path))
	}
	table := lines(s.ok("exports", "events"))
	first, second := strings.Fields(table[1])[0], strings.Fields(table[2])[0]
	assert.Equal(t, "export "+first+" deleted\n", s.ok("export", "delete", first))
	got := s.run("export", "delete", first)
	assert.Equal(t, exitNothing, got.code)
	assert.Contains(t, got.stderr, "redrive exports QUEUE lists those there are")
	assert.JSONEq(t, `{"deleted":"`+second+`"}`, s.ok("export", "delete", second, "-output", "json"))
	assert.Equal(t, exitNothing, s.run("exports", "events").code)
	assert.Equal(t, []string{"a.json", "b.json"}, filesIn(t, folder), "what was downloaded stays")
}

// filesIn are the names in a folder.
func filesIn(t *testing.T, folder string) (names []string) {
	t.Helper()
	files, err := os.ReadDir(folder)
	require.NoError(t, err)
	for _, file := range files {
		names = append(names, file.Name())
	}
	return names
}

// exportServer has one export, "e1", whose downloads the test answers; they are numbered from 1.
type exportServer struct {
	*fake
	text      string
	path      string
	downloads atomic.Int64
}

func newExportServer(t *testing.T, text string, download func(w http.ResponseWriter, r *http.Request, n int)) *exportServer {
	s := &exportServer{text: text, path: filepath.Join(t.TempDir(), "x.json")}
	s.fake = newFake(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		if strings.HasSuffix(r.URL.Path, "/download") {
			download(w, r, int(s.downloads.Add(1)))
			return
		}
		reply(w, http.StatusOK, s.record("completed"))
	})
	return s
}

func (s *exportServer) record(state string) string {
	return fmt.Sprintf(`{"id":"e1","queue":"events","state":%q,"count":2,"bytes":%d,"sha256":"%x","created_at":"2026-01-02T03:04:05Z"}`,
		state, len(s.text), sha256.Sum256([]byte(s.text)))
}

// serve is what a good server answers.
func (s *exportServer) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256([]byte(s.text))))
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(s.text))
}

// breakOff sends the first bytes of a whole answer, and no more.
func breakOff(w http.ResponseWriter, text string, bytes int) {
	w.Header().Set("Content-Length", fmt.Sprint(len(text)))
	_, _ = w.Write([]byte(text[:bytes]))
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

func (s *exportServer) download(more ...string) result {
	return s.run(append([]string{"export", "events", "-o", s.path, "-interval", "1ms"}, more...)...)
}

// requireFile checks that the file is there, whole and alone.
func (s *exportServer) requireFile(got result) {
	s.t.Helper()
	require.Zero(s.t, got.code, got.stderr)
	text, err := os.ReadFile(s.path)
	require.NoError(s.t, err)
	assert.Equal(s.t, s.text, string(text))
	assert.Equal(s.t, []string{"x.json"}, filesIn(s.t, filepath.Dir(s.path)))
}

// ranges are those that were asked for.
func (s *exportServer) ranges() (ranges []string) {
	for _, r := range s.requests() {
		if strings.HasSuffix(r.what, "/download") {
			ranges = append(ranges, r.header.Get("Range"))
		}
	}
	return ranges
}

func TestBrokenDownloadGoesOn(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("0123456789", 1000)
	var s *exportServer
	s = newExportServer(t, text, func(w http.ResponseWriter, r *http.Request, n int) {
		switch n {
		case 1:
			breakOff(w, text, 4000)
		case 2:
			reply(w, http.StatusServiceUnavailable, refusal(203503, "not now"))
		default:
			s.serve(w, r)
		}
	})
	got := s.download()
	s.requireFile(got)
	assert.Equal(t, []string{"", "bytes=4000-", "bytes=4000-"}, s.ranges())
	assert.Contains(t, got.stderr, "the download broke off after 3.9 KiB; going on from there")
	last := s.requests()[len(s.requests())-1]
	assert.Equal(t, fmt.Sprintf(`"%x"`, sha256.Sum256([]byte(text))), last.header.Get("If-Range"))
	assert.Equal(t, "identity", last.header.Get("Accept-Encoding"))
}

func TestDownloadIsContinuedLater(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("0123456789", 1000)
	var s *exportServer
	s = newExportServer(t, text, func(w http.ResponseWriter, r *http.Request, n int) {
		if n == 1 {
			breakOff(w, text, 4000)
		}
		if n == 2 {
			reply(w, http.StatusForbidden, refusal(203510, "You are not allowed to do this"))
			return
		}
		s.serve(w, r)
	})
	got := s.download()
	assert.Equal(t, exitRefused, got.code)
	assert.Equal(t, []string{"x.json.e1.part"}, filesIn(t, filepath.Dir(s.path)), "never under the final name")
	got = s.download("-download", "e1")
	s.requireFile(got)
	assert.Contains(t, got.stderr, "going on after 3.9 KiB that are there already")
	assert.Equal(t, []string{"", "bytes=4000-", "bytes=4000-"}, s.ranges())
}

func TestServerThatSendsAllAgain(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("0123456789", 1000)
	s := newExportServer(t, text, func(w http.ResponseWriter, _ *http.Request, n int) {
		if n == 1 {
			breakOff(w, text, 4000)
		}
		_, _ = w.Write([]byte(text))
	})
	s.requireFile(s.download())
}

func TestPartThatIsTooLongBeginsAnew(t *testing.T) {
	t.Parallel()
	var s *exportServer
	s = newExportServer(t, "short", func(w http.ResponseWriter, r *http.Request, _ int) { s.serve(w, r) })
	require.NoError(t, os.WriteFile(s.path+".e1.part", []byte("something longer"), 0o600))
	s.requireFile(s.download())
}

func TestWrongFileIsThrownAway(t *testing.T) {
	t.Parallel()
	s := newExportServer(t, "what was meant", func(w http.ResponseWriter, _ *http.Request, _ int) {
		_, _ = w.Write([]byte("something else, and more"))
	})
	got := s.download()
	assert.Equal(t, exitFailed, got.code)
	assert.Contains(t, got.stderr, "the checksum is wrong")
	assert.Empty(t, filesIn(t, filepath.Dir(s.path)))
}

func TestWrongRange(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("0123456789", 1000)
	s := newExportServer(t, text, func(w http.ResponseWriter, _ *http.Request, n int) {
		if n == 1 {
			breakOff(w, text, 4000)
		}
		w.Header().Set("Content-Range", "bytes 0-9999/10000")
		w.WriteHeader(http.StatusPartialContent)
		_, _ = w.Write([]byte(text))
	})
	got := s.download()
	assert.Equal(t, exitFailed, got.code)
	assert.Contains(t, got.stderr, "another part of the file")
}

func TestDownloadThatStandsStill(t *testing.T) {
	t.Parallel()
	var s *exportServer
	s = newExportServer(t, "0123456789", func(w http.ResponseWriter, r *http.Request, n int) {
		if n > 1 {
			s.serve(w, r)
			return
		}
		w.Header().Set("Content-Length", "10")
		_, _ = w.Write([]byte("0123"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	s.requireFile(s.download("-timeout", "100ms"))
	assert.Equal(t, []string{"", "bytes=4-"}, s.ranges())
}

func TestDownloadThatIsGivenUp(t *testing.T) {
	t.Parallel()
	s := newExportServer(t, "0123456789", func(http.ResponseWriter, *http.Request, int) { panic(http.ErrAbortHandler) })
	got := s.download()
	assert.Equal(t, exitFailed, got.code)
	assert.Contains(t, got.stderr, "to do: redrive export events -download e1 -o "+s.path+" goes on with it")
	assert.NoFileExists(t, s.path)
}

func TestExportOnATerminal(t *testing.T) {
	t.Parallel()
	s := newExportServer(t, "", nil)
	s.text = "0123456789"
	states := []string{"running", "running", "completed"}
	s.answer = func(w http.ResponseWriter, r *http.Request, n int) {
		if n > len(states) {
			s.serve(w, r)
			return
		}
		reply(w, http.StatusOK, s.record(states[n-1]))
	}
	screen := typing("")
	var stdout strings.Builder
	code := run(t.Context(), []string{"export", "events", "-o", s.path, "-interval", "1ms"}, s.stdin, &stdout, screen,
		func(name string) string { return s.env[name] })
	assert.Zero(t, code)
	assert.Equal(t, "export e1 of events\n\r\x1b[K2 entries written, running\r\x1b[K2 entries written, completed"+
		"\r\x1b[K[##########] 10 B of 10 B\r\x1b[K", screen.String())
	assert.Contains(t, stdout.String(), "checksum verified")
}

func TestExportThatFails(t *testing.T) {
	t.Parallel()
	s := newExportServer(t, "x", nil)
	s.answer = says(http.StatusOK, `{"id":"e1","queue":"events","state":"failed","error":"disk full"}`)
	got := s.download()
	assert.Equal(t, exitFailed, got.code)
	assert.Contains(t, got.stderr, "the export failed at the server: disk full")
	s.answer = says(http.StatusOK, `{"id":"../../etc/passwd","queue":"events","state":"completed"}`)
	assert.Contains(t, s.download().stderr, "the export's id is no id")
}

func TestImport(t *testing.T) {
	t.Parallel()
	f := newFake(t, says(http.StatusOK, `{"imported":2,"skipped":1}`))
	path := filepath.Join(t.TempDir(), "x.json")
	require.NoError(t, os.WriteFile(path, []byte(`{"entries":[]}`), 0o600))
	assert.Equal(t, "2 imported, 1 skipped\n", f.ok("import", "events", path))
	f.ok("import", "events", path, "-to", "queue")
	for i, to := range []string{"dlq", "queue"} {
		got := f.requests()[i]
		assert.Equal(t, "POST /manage/api/queues/events/import", got.what)
		assert.Equal(t, map[string][]string{"to": {to}}, got.query)
		assert.Equal(t, `{"entries":[]}`, got.body)
		assert.Equal(t, "14", got.header.Get("Content-Length"))
	}
	for _, path := range []string{filepath.Join(t.TempDir(), "none"), t.TempDir()} {
		assert.Equal(t, exitFailed, f.run("import", "events", path).code)
	}
	assert.Len(t, f.requests(), 2)
}
