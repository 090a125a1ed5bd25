package management

import (
	"cmp"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/redrive-go/redrive/export"
)

var exportRoutes = routes{
	{method: http.MethodGet, pattern: "exports", action: ActionView, serve: exportsPage},
	{method: http.MethodPost, pattern: "queues/{queue}/exports", action: ActionExport, audit: "export",
		serve: startExport, back: "queues/{queue}", done: flashExportStarted},
	{method: http.MethodPost, pattern: "exports/{id}/delete", action: ActionExport, audit: "export_delete",
		serve: deleteExport, back: "exports", done: flashExportDeleted},

	{method: http.MethodGet, pattern: "api/queues/{queue}/exports", action: ActionView, params: []string{paramLimit},
		serve: listExports},
	{method: http.MethodPost, pattern: "api/queues/{queue}/exports", action: ActionExport, audit: "export",
		fields: slices.Concat([]string{fieldFormat, fieldDryRun}, filterFields), serve: startExport},
	{method: http.MethodGet, pattern: "api/exports/{id}", action: ActionView, serve: getExport},
	{method: http.MethodDelete, pattern: "api/exports/{id}", action: ActionExport, audit: "export_delete",
		serve: deleteExport},
	{method: http.MethodGet, pattern: "api/exports/{id}/download", action: ActionExport, also: ActionViewPayload, audit: "download",
		serve: downloadExport},
}

// fieldFormat is the field of the body that names the file's format.
const fieldFormat = "format"

// exportList is the latest exports, newest first.
type exportList struct {
	Exports []export.Record `json:"exports"`
}

func listExports(c *call) (answer, error) {
	list, err := c.exportList(c.queue)
	return jsonAnswer{http.StatusOK, list}, err
}

func exportsPage(c *call) (answer, error) {
	list, err := c.exportList("")
	if err != nil {
		return nil, err
	}
	return c.page(http.StatusOK, "exports", "Exports", list), nil
}

func (c *call) exportList(queue string) (exportList, error) {
	limit, err := c.limit()
	if err != nil {
		return exportList{}, err
	}
	records, err := c.exports.List(c.r.Context(), queue, limit)
	list := exportList{Exports: []export.Record{}}
	for _, record := range records {
		list.Exports = append(list.Exports, c.shownExport(record))
	}
	return list, err
}

func getExport(c *call) (answer, error) {
	record, err := c.export()
	return jsonAnswer{http.StatusOK, c.shownExport(record)}, err
}

func (c *call) export() (export.Record, error) {
	return c.exports.Get(c.r.Context(), c.id)
}

func startExport(c *call) (answer, error) {
	filter, dry, err := c.asked()
	if err != nil {
		return nil, err
	}
	format, err := c.format()
	if err != nil {
		return nil, err
	}
	if dry {
		return c.dryRunOf(c.dlq.Count(c.r.Context(), c.queue, filter))
	}
	record, err := c.exports.Start(c.r.Context(),
		export.StartParams{Queue: c.queue, Format: format, By: c.row.Actor, Filter: filter})
	c.row.Target = record.ID
	return jsonAnswer{http.StatusAccepted, c.shownExport(record)}, err
}

// format is the file's format that the body or form asks for.
func (c *call) format() (string, error) {
	format := cmp.Or(c.r.PostForm.Get(fieldFormat), export.FormatJSON)
	var err error
	if raw, ok := c.fields[fieldFormat]; ok {
		format = "" // null leaves it so
		err = json.Unmarshal(raw, &format)
	}
	if err != nil || !slices.Contains(export.Formats(), format) {
		return "", newBadRequestProblem(CodeUnsupported, "Field 'format' must be "+strings.Join(export.Formats(), " or "))
	}
	return format, nil
}

func deleteExport(c *call) (answer, error) {
	record, err := c.export()
	if err != nil {
		return nil, err
	}
	c.row.Queue, c.row.Count = record.Queue, record.Count
	return emptyAnswer{}, c.exports.Delete(c.r.Context(), record.ID)
}

// downloadExport hands out no file past a redactor: a redacted one would have neither its checksum nor its ranges.
func downloadExport(c *call) (answer, error) {
	if c.cfg.Redact != nil {
		return nil, newUnredactedProblem()
	}
	file, record, err := c.exports.Open(c.r.Context(), c.id)
	if err != nil {
		return nil, err
	}
	c.row.Queue, c.row.Count = record.Queue, record.Count
	return fileAnswer{file, record}, nil
}

// fileAnswer is the file of an export.
type fileAnswer struct {
	file   io.ReadSeekCloser
	record export.Record
}

func (a fileAnswer) write(c *call) {
	defer a.close(c)
	header := c.w.Header()
	header.Set("Content-Type", export.ContentType(a.record.Format))
	header.Set("Content-Disposition", `attachment; filename="`+fileName(a.record)+`"`)
	header.Set("Vary", "Accept-Encoding")
	if c.r.Header.Get("Range") == "" && acceptsGzip(c.r.Header.Values("Accept-Encoding")) {
		a.writeGzip(c)
		return
	}
	// Tag and digest of the plain file alone: ranges of two encodings must not be put together.
	header.Set("ETag", `"`+a.record.SHA256+`"`)
	if sum, err := hex.DecodeString(a.record.SHA256); err == nil {
		header.Set("Repr-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum)+":")
	}
	http.ServeContent(c.w, c.r, "", a.record.FinishedAt, a.file)
}

// writeGzip streams the file compressed. When it breaks off, so does the connection: a cut file must not look whole.
func (a fileAnswer) writeGzip(c *call) {
	c.w.Header().Set("Content-Encoding", "gzip")
	c.w.WriteHeader(http.StatusOK)
	if c.r.Method == http.MethodHead {
		return
	}
	writer := gzip.NewWriter(c.w)
	if _, err := io.Copy(writer, a.file); err != nil {
		c.cfg.Logger.WarnContext(c.r.Context(), "management: download broke off", "export", a.record.ID, "error", err)
		panic(http.ErrAbortHandler)
	}
	if err := writer.Close(); err != nil {
		panic(http.ErrAbortHandler)
	}
}

func (a fileAnswer) close(c *call) {
	if err := a.file.Close(); err != nil {
		c.cfg.Logger.WarnContext(c.r.Context(), "management: export file", "export", a.record.ID, "error", err)
	}
}

// fileName is under which name a download is saved, of letters that need no quoting.
func fileName(record export.Record) string {
	plain := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return -1
	}, record.Queue)
	return fmt.Sprintf("redrive-%s-%s.%s", plain, record.CreatedAt.UTC().Format("20060102T150405Z"),
		cmp.Or(record.Format, export.FormatJSON))
}

// acceptsGzip is whether the client named gzip, with a weight above 0, in its Accept-Encoding headers.
func acceptsGzip(values []string) bool {
	for offer := range strings.SplitSeq(strings.Join(values, ","), ",") {
		coding, weight, weighted := strings.Cut(offer, ";")
		if !strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			continue
		}
		q, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(weight), "q="), 64)
		return !weighted || err == nil && q > 0
	}
	return false
}
