package management

import (
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/export"
)

// exported makes an export of events through the API and waits for its file.
func (b *bundle) exported() export.Record { return b.exportedAs("") }

// exportedAs is exported of what a body asks for.
func (b *bundle) exportedAs(body string) export.Record {
	b.t.Helper()
	got := b.do(http.MethodPost, "api/queues/events/exports", body)
	require.Equal(b.t, http.StatusAccepted, got.Code)
	id := decode[export.Record](b.t, got).ID
	ctx, cancel := context.WithCancel(b.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.core.exports.Run(ctx) }()
	var record export.Record
	require.Eventually(b.t, func() bool {
		record = decode[export.Record](b.t, b.do(http.MethodGet, "api/exports/"+id, ""))
		return record.State == export.StateCompleted
	}, waitLimit, waitTick)
	cancel()
	require.NoError(b.t, <-ended)
	return record
}

func TestExportLife(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addMany(3)
	record := b.exported()
	assert.Equal(t, "alice", record.CreatedBy)
	assert.EqualValues(t, 3, record.Count)
	row := b.audit()[0]
	assert.Equal(t, asyncevents.AuditRow{ID: row.ID, At: row.At, Actor: "alice", Action: "export", Queue: "events",
		Target: record.ID, Outcome: outcomeAllowed}, row)
	assert.Contains(t, b.do(http.MethodGet, "api/queues/events/exports", "").text, record.ID)
	assert.JSONEq(t, `{"exports":[]}`, b.do(http.MethodGet, "api/queues/callbacks/exports", "").text)
	assert.Equal(t, http.StatusBadRequest, b.do(http.MethodGet, "api/queues/events/exports?limit=0", "").Code)
	assert.Contains(t, b.do(http.MethodGet, "exports", "").text, "api/exports/"+record.ID+"/download")

	got := b.do(http.MethodGet, "api/exports/"+record.ID+"/download", "")
	assert.Equal(t, http.StatusOK, got.Code)
	assert.Equal(t, "application/json", got.Header().Get("Content-Type"))
	assert.Regexp(t, `^attachment; filename="redrive-events-\d{8}T\d{6}Z\.json"$`, got.Header().Get("Content-Disposition"))
	assert.EqualValues(t, record.Bytes, len(got.text))
	file := decode[struct {
		Count   int64
		Entries []json.RawMessage
	}](t, got)
	assert.EqualValues(t, 3, file.Count)
	assert.Len(t, file.Entries, 3)

	got = b.do(http.MethodDelete, "api/exports/"+record.ID, "")
	assert.Equal(t, http.StatusNoContent, got.Code)
	assert.Equal(t, "export_delete", b.audit()[0].Action)
	assert.EqualValues(t, 3, b.audit()[0].Count)
	assert.Equal(t, "events", b.audit()[0].Queue)
	for method, path := range map[string]string{"GET": "", "DELETE": ""} {
		got := b.do(method, "api/exports/"+record.ID+path, "")
		assert.Equal(t, http.StatusNotFound, got.Code)
		assert.Equal(t, CodeExportNotFound, code(t, got))
	}
	assert.Equal(t, http.StatusNotFound, b.do(http.MethodGet, "api/exports/"+record.ID+"/download", "").Code)
}

func TestExportDownloadRangesAndGzip(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addMany(3)
	record := b.exported()
	path := "api/exports/" + record.ID + "/download"
	whole := b.do(http.MethodGet, path, "")
	assert.Equal(t, `"`+record.SHA256+`"`, whole.Header().Get("ETag"))
	sum := sha256.Sum256([]byte(whole.text))
	assert.Equal(t, "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":", whole.Header().Get("Repr-Digest"))

	part := b.do(http.MethodGet, path, "", "Range", "bytes=5-14", "Accept-Encoding", "gzip")
	assert.Equal(t, http.StatusPartialContent, part.Code)
	assert.Equal(t, whole.text[5:15], part.text)
	assert.Empty(t, part.Header().Get("Content-Encoding"))
	assert.Equal(t, http.StatusRequestedRangeNotSatisfiable, b.do(http.MethodGet, path, "", "Range", "bytes=999999-").Code)
	assert.Equal(t, http.StatusNotModified, b.do(http.MethodGet, path, "", "If-None-Match", `"`+record.SHA256+`"`).Code)

	packed := b.do(http.MethodGet, path, "", "Accept-Encoding", "br, gzip;q=0.5")
	assert.Equal(t, "gzip", packed.Header().Get("Content-Encoding"))
	assert.Equal(t, "Accept-Encoding", packed.Header().Get("Vary"))
	assert.Empty(t, packed.Header().Get("ETag"))
	assert.Empty(t, packed.Header().Get("Repr-Digest"))
	reader, err := gzip.NewReader(strings.NewReader(packed.text))
	require.NoError(t, err)
	plain, err := io.ReadAll(reader)
	require.NoError(t, err)
	assert.Equal(t, whole.text, string(plain))

	head := b.do(http.MethodHead, path, "", "Accept-Encoding", "gzip")
	assert.Equal(t, "gzip", head.Header().Get("Content-Encoding"))
	assert.Empty(t, head.text)
	assert.Len(t, b.audit(), 6, "the export, each download, and not the HEAD")
}

// An export of a filter has what that means, and nothing is noted as exported.
func TestExportOfFilter(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addFound()
	for format, contentType := range map[string]string{"json": "application/json", "ndjson": "application/x-ndjson"} {
		record := b.exportedAs(`{"error":"account","action":"use","format":"` + format + `"}`)
		assert.EqualValues(t, 2, record.Count)
		assert.EqualValues(t, 2, record.Total)
		assert.Equal(t, dlq.Filter{Error: "account", Action: "use"}, record.Filter)
		file := b.do(http.MethodGet, "api/exports/"+record.ID+"/download", "")
		assert.Equal(t, contentType, file.Header().Get("Content-Type"))
		assert.Equal(t, 2, strings.Count(file.text, " closed\"}"))
		assert.NotContains(t, file.text, "refused")
	}
	assert.NotContains(t, b.do(http.MethodGet, "api/queues/events/entries", "").text, `"exported":true`)
	b.exported()
	assert.Contains(t, b.do(http.MethodGet, "api/queues/events/entries", "").text, `"exported":true`)
}

func TestExportOfLines(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addMany(3)
	record := b.exportedAs(`{"format":"ndjson"}`)
	assert.Equal(t, "ndjson", record.Format)
	got := b.do(http.MethodGet, "api/exports/"+record.ID+"/download", "")
	assert.Equal(t, "application/x-ndjson", got.Header().Get("Content-Type"))
	assert.Regexp(t, `^attachment; filename="redrive-events-\d{8}T\d{6}Z\.ndjson"$`, got.Header().Get("Content-Disposition"))
	lines := strings.Split(strings.TrimSuffix(got.text, "\n"), "\n")
	require.Len(t, lines, 3)
	for _, line := range lines {
		assert.True(t, json.Valid([]byte(line)))
	}
	part := b.do(http.MethodGet, "api/exports/"+record.ID+"/download", "", "Range", "bytes=0-3")
	assert.Equal(t, http.StatusPartialContent, part.Code)
	assert.Equal(t, "application/x-ndjson", part.Header().Get("Content-Type"))
}

func TestRunningExportShowsItsProgress(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	id := decode[export.Record](t, b.do(http.MethodPost, "api/queues/events/exports", "")).ID
	record, err := b.backend.Exports.Claim(t.Context(), "another process", time.Minute)
	require.NoError(t, err)
	record.Count, record.Total = 12, 40
	require.NoError(t, b.backend.Exports.Save(t.Context(), "another process", record))
	shown := decode[map[string]any](t, b.do(http.MethodGet, "api/exports/"+id, ""))
	assert.InDelta(t, 12, shown["count"], 0)
	assert.InDelta(t, 40, shown["total"], 0)
	assert.Contains(t, b.do(http.MethodGet, "exports", "").text, ">12 of 40<")
}

func TestExportWithoutFile(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	id := decode[export.Record](t, b.do(http.MethodPost, "api/queues/events/exports", `{"format":"json"}`)).ID
	got := b.do(http.MethodGet, "api/exports/"+id+"/download", "")
	assert.Equal(t, http.StatusConflict, got.Code)
	assert.Equal(t, CodeExportNotReady, code(t, got))
	assert.NotContains(t, b.do(http.MethodGet, "exports", "").text, "/download")
}

func TestExportRefusals(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	for _, body := range []string{`{"format":"xml"}`, `{"format":null}`, `{"format":1}`, `{"filter":{}}`, `{"q":1}`, `7`} {
		assert.Equal(t, http.StatusBadRequest, b.do(http.MethodPost, "api/queues/events/exports", body).Code, body)
	}
	for _, id := range []string{"1", "..%2f..%2fetc%2fpasswd", "%00", "%22", "0190b0b0-0000-7000-8000-00000000000A"} {
		for method, path := range map[string]string{"GET": "", "HEAD": "/download", "DELETE": ""} {
			assert.Equal(t, http.StatusNotFound, request(b, method, "/manage/api/exports/"+id+path).Code, id)
		}
	}
	for _, row := range b.audit() {
		assert.Equal(t, outcomeFailed, row.Outcome)
		assert.NotContains(t, row.Target, "\x00")
	}
}

func TestExportForms(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addMany(1)
	got := b.submit("queues/events/exports", nil)
	assert.Equal(t, "../../queues/events?flash="+flashExportStarted, got.Header().Get("Location"))
	records, err := b.backend.Exports.List(t.Context(), "events", 10)
	require.NoError(t, err)
	require.Len(t, records, 1)
	got = b.submit("exports/"+records[0].ID+"/delete", nil)
	assert.Equal(t, "../../exports?flash="+flashExportDeleted, got.Header().Get("Location"))
	got = b.submit("exports/"+records[0].ID+"/delete", nil)
	assert.Equal(t, "../../exports?flash=203524", got.Header().Get("Location"))
	assert.Contains(t, b.do(http.MethodGet, "exports", "").text, "There are no exports")
}

func TestFileNameNeedsNoQuoting(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	for queue, want := range map[string]string{
		"events":             "redrive-events-20260102T020405Z.json",
		"../\"a\r\n\x00b; é": "redrive-ab-20260102T020405Z.json",
	} {
		assert.Equal(t, want, fileName(export.Record{Queue: queue, CreatedAt: at, Format: export.FormatJSON}))
	}
}

func TestAcceptsGzip(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{
		"": false, "gzip": true, "GZIP": true, "br, gzip": true, "gzip;q=1.0": true, "gzip; q=0.001": true,
		"gzip;q=0": false, "gzip; q=0.000": false, "gzip;q=x": false, "identity": false, "x-gzip": false,
	} {
		assert.Equal(t, want, acceptsGzip([]string{"deflate", value}), value)
	}
}

// brokenFile breaks off after its first bytes.
type brokenFile struct{ io.Reader }

func (brokenFile) Seek(int64, int) (int64, error) { return 0, nil }
func (brokenFile) Close() error                   { return errDown }

func TestCutDownloadDoesNotLookWhole(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	h, err := newHandler(b.core, allowAll, &Config{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.Header.Set("Accept-Encoding", "gzip")
	file := brokenFile{io.MultiReader(strings.NewReader("{"), brokenReader{})}
	assert.PanicsWithValue(t, http.ErrAbortHandler, func() {
		fileAnswer{file: file}.write(h.newCall(httptest.NewRecorder(), r))
	})
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errDown }
