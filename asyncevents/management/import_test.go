package management

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/memory"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/export"
	"github.com/redrive-go/redrive/retry"
)

// file returns an export of the DLQ of events, and erases that.
func (b *bundle) file(format string) string {
	b.t.Helper()
	record := b.exportedAs(`{"format":"` + format + `"}`)
	got := b.do(http.MethodGet, "api/exports/"+record.ID+"/download", "")
	require.Equal(b.t, http.StatusOK, got.Code)
	erased := b.do(http.MethodDelete, fmt.Sprint("api/queues/events/entries?confirm=", b.depth()), "")
	require.Equal(b.t, http.StatusOK, erased.Code)
	return got.text
}

// entries are those of the DLQ of events.
func (b *bundle) entries() []dlq.Entry {
	b.t.Helper()
	entries, err := b.backend.DeadLetters.List(b.t.Context(), dlq.ListParams{Queue: asyncevents.EventsQueue, Limit: 1000})
	require.NoError(b.t, err)
	return entries
}

// ready is how many messages wait in the main queue of events.
func (b *bundle) ready() int64 {
	b.t.Helper()
	backlog, err := b.backend.Backlog(b.t.Context(), asyncevents.EventsQueue)
	require.NoError(b.t, err)
	return backlog.Ready
}

func TestImportIntoTheDLQ(t *testing.T) {
	t.Parallel()
	for _, format := range export.Formats() {
		b := newBundle(t, nil)
		b.addMany(120)
		b.addEntry(dlq.Entry{MessageID: "m", CorrelationID: "c", Payload: []byte(" {\n} "), Redrives: 2,
			Metadata: map[string]string{"tenant": "a", "api_token": "hidden"},
			Attempts: retry.History{{Number: 5, StartedAt: time.Unix(1, 0).UTC(), Error: "no"}}})
		before := b.entries()
		file := b.file(format)
		assert.NotContains(t, file, "hidden")
		require.Zero(t, b.depth())

		got := b.do(http.MethodPost, "api/queues/events/import?to=dlq", file)
		assert.Equal(t, http.StatusOK, got.Code)
		assert.JSONEq(t, `{"imported":121,"skipped":0}`, got.text)
		row := b.audit()[0]
		assert.Equal(t, asyncevents.AuditRow{ID: row.ID, At: row.At, Actor: "alice", Action: "import", Queue: "events",
			Count: 121, Outcome: outcomeAllowed, Detail: "to=dlq, 0 skipped"}, row)
		delete(before[120].Metadata, "api_token")
		after := b.entries()
		for i := range after {
			assert.Greater(t, after[i].ID, before[120].ID)
			assert.Equal(t, before[i].CorrelationID, after[i].Metadata[retry.MetadataCorrelationID])
			delete(after[i].Metadata, retry.MetadataCorrelationID)
			delete(after[i].Metadata, retry.MetadataAcceptedAt)
			if len(after[i].Metadata) == 0 {
				after[i].Metadata = before[i].Metadata
			}
			after[i].ID, after[i].CreatedAt, after[i].Exported = before[i].ID, before[i].CreatedAt, before[i].Exported
		}
		assert.Equal(t, before, after)

		got = b.do(http.MethodPost, "api/queues/events/import?to=dlq", file)
		assert.JSONEq(t, `{"imported":0,"skipped":121}`, got.text, "twice adds nothing")
		assert.EqualValues(t, 121, b.depth())
	}
}

func TestImportIntoTheMainQueue(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addMany(120)
	file := b.file(export.FormatNDJSON)
	got := b.do(http.MethodPost, "api/queues/events/import?to=queue", file)
	assert.Equal(t, http.StatusOK, got.Code)
	assert.JSONEq(t, `{"imported":120,"skipped":0}`, got.text)
	assert.Zero(t, b.depth())
	assert.EqualValues(t, 120, b.ready())
	assert.Equal(t, "to=queue, 0 skipped", b.audit()[0].Detail)

	// Of what still stands in the DLQ, a part of the file picks what to move.
	b = newBundle(t, nil)
	b.addMany(5)
	record := b.exportedAs(`{"format":"ndjson"}`)
	lines := strings.SplitAfter(b.do(http.MethodGet, "api/exports/"+record.ID+"/download", "").text, "\n")
	got = b.do(http.MethodPost, "api/queues/events/import?to=queue", lines[1]+lines[3])
	assert.JSONEq(t, `{"imported":2,"skipped":0}`, got.text)
	assert.Equal(t, []string{"1", "3", "5"}, b.ids())
	assert.EqualValues(t, 2, b.ready())
}

// TestImportKeepsToTheServicesTopic holds that a file cannot have messages published anywhere.
func TestImportKeepsToTheServicesTopic(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	got := b.do(http.MethodPost, "api/queues/events/import?to=queue", `{"queue":"events","topic":"payments","message_id":"a","payload":1}`)
	assert.Equal(t, http.StatusOK, got.Code)
	assert.EqualValues(t, 1, b.ready())
	backlog, err := b.backend.Backlog(t.Context(), "payments")
	require.NoError(t, err)
	assert.Zero(t, backlog.Ready)
}

// TestImportedPayloadsAreEqual takes payloads through an export and an import.
func TestImportedPayloadsAreEqual(t *testing.T) {
	t.Parallel()
	payload := rapid.OneOf(rapid.SliceOf(rapid.Byte()), rapid.Custom(func(t *rapid.T) []byte {
		return []byte(strings.Join(rapid.SliceOf(rapid.SampledFrom(strings.Split("{ } [ ] , : \" \\ 1 \n \r \t null", " "))).Draw(t, "tokens"), ""))
	}))
	rapid.Check(t, func(r *rapid.T) {
		store, format := memory.New().DeadLetters, rapid.SampledFrom(export.Formats()).Draw(r, "format")
		manager := dlq.NewManager(store, nil)
		payloads := rapid.SliceOfN(payload, 0, 8).Draw(r, "payloads")
		file, writer := io.Pipe()
		go func() {
			writer.CloseWithError(writeAs(writer, format, payloads))
		}()
		done, err := manager.Import(t.Context(), dlq.ImportParams{Queue: "events"}, export.Read(file))
		require.NoError(r, err)
		require.EqualValues(r, len(payloads), done.Imported)
		entries, err := store.List(t.Context(), dlq.ListParams{Queue: "events", Limit: 100})
		require.NoError(r, err)
		for i, entry := range entries {
			require.Equal(r, string(payloads[i]), string(entry.Payload))
		}
	})
}

// writeAs writes entries with these payloads.
func writeAs(w io.Writer, format string, payloads [][]byte) error {
	entries := func(yield func(dlq.Entry, error) bool) {
		for i, payload := range payloads {
			if !yield(dlq.Entry{Queue: "events", Topic: "events", MessageID: fmt.Sprint(i), Payload: payload}, nil) {
				return
			}
		}
	}
	count := int64(len(payloads))
	if format == export.FormatNDJSON {
		_, err := export.WriteNDJSON(w, "events", count, entries, nil)
		return err
	}
	_, err := export.Write(w, "events", time.Now(), count, entries, nil)
	return err
}

// importFailure is the body of an import that broke off.
type importFailure struct {
	Error struct {
		Code    int
		Message string
	}
	Imported, Skipped *int64
}

func TestBrokenImportSaysHowFarItCame(t *testing.T) {
	t.Parallel()
	line := func(n int) string {
		return fmt.Sprintf(`{"queue":"events","message_id":"m%d","payload":%d}`+"\n", n, n)
	}
	var good strings.Builder
	for n := range 150 {
		good.WriteString(line(n))
	}
	for rest, want := range map[string]string{
		"garbage":           "entry 151, on line 151",
		`{"queue":"events"`: "unexpected EOF",
		`{"queue":"events","message_id":"x","payload":1,"colour":"red"}`: "colour",
		`{"queue":"events","payload":1}`:                                 "entry 151 cannot be imported: its message_id",
		`{"queue":"callbacks","message_id":"x","payload":1}`:             "it is of the queue",
	} {
		b := newBundle(t, nil)
		b.addEntry(dlq.Entry{MessageID: "m7"})
		got := b.do(http.MethodPost, "api/queues/events/import?to=dlq", good.String()+rest+"\n"+line(200))
		assert.Equal(t, http.StatusBadRequest, got.Code)
		failure := decode[importFailure](t, got)
		assert.Equal(t, CodeBadImport, failure.Error.Code)
		assert.Contains(t, failure.Error.Message, want)
		assert.Contains(t, failure.Error.Message, "149 were imported before, 1 skipped")
		assert.EqualValues(t, 149, *failure.Imported)
		assert.EqualValues(t, 1, *failure.Skipped)
		assert.EqualValues(t, 150, b.depth())
		row := b.audit()[0]
		assert.EqualValues(t, 149, row.Count)
		assert.Equal(t, outcomeFailed, row.Outcome)
		assert.Contains(t, row.Detail, want)
	}
}

func TestImportRefusals(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	for path, headers := range map[string][]string{
		"api/queues/events/import":                {},
		"api/queues/events/import?to=elsewhere":   {},
		"api/queues/events/import?to=dlq&dry=1":   {},
		"api/queues/callbacks/import?to=dlq&q=x":  {},
		"api/queues/events/import?to=dlq&to=":     {"Content-Encoding", "gzip"},
		"api/queues/nope/import?to=dlq":           {},
		"api/queues/callbacks/import?to=callback": {},
	} {
		got := b.do(http.MethodPost, path, `{"queue":"events","message_id":"x","payload":1}`, headers...)
		assert.GreaterOrEqual(t, got.Code, 400, path)
		assert.Less(t, got.Code, 500, path)
		assert.Equal(t, outcomeFailed, b.audit()[0].Outcome)
	}
	assert.Zero(t, b.depth())
	got := b.do(http.MethodPost, "api/queues/events/import?to=dlq", "", "Content-Encoding", "gzip")
	assert.Equal(t, http.StatusUnsupportedMediaType, got.Code)
	assert.JSONEq(t, `{"imported":0,"skipped":0}`, b.do(http.MethodPost, "api/queues/events/import?to=dlq", "").text)
}

func TestImportRights(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	for target, right := range map[string]Action{"dlq": ActionExport, "queue": ActionRetry, "": ActionExport} {
		for _, action := range []Action{ActionView, ActionRetry, ActionErase, ActionExport, ActionConfigure} {
			b.authorize = only(action, ActionEdit)
			got := b.do(http.MethodPost, "api/queues/events/import?to="+target, "")
			assert.Equal(t, action != right, got.Code == http.StatusForbidden, "%q %s", target, action)
		}
		b.authorize = butFor(ActionEdit) // a file may hold what was never sent
		got := b.do(http.MethodPost, "api/queues/events/import?to="+target, "")
		assert.Equal(t, http.StatusForbidden, got.Code, target)
	}
}

func TestImportHasItsOwnLimit(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	line := func(n int) string {
		return fmt.Sprintf(`{"queue":"events","message_id":"m%d","payload":"%s"}`+"\n", n, strings.Repeat("x", 40<<10))
	}
	file := line(1) + line(2) + line(3)
	got := b.do(http.MethodPost, "api/queues/events/import?to=dlq", file)
	assert.Equal(t, http.StatusOK, got.Code, "larger than other bodies")

	h, err := newHandler(b.core, allowAll, &Config{MaxImportBytes: 100 << 10})
	require.NoError(t, err)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/queues/events/import?to=dlq", strings.NewReader(file))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	assert.Equal(t, http.StatusRequestEntityTooLarge, w.Code)
	assert.Contains(t, w.Body.String(), "larger than 100 KiB; 0 were imported before, 2 skipped")
}

// brokenAdds is a store that fails from some Add on.
type brokenAdds struct {
	dlq.Store
	left int
}

func (s *brokenAdds) Add(ctx context.Context, entry dlq.Entry) error {
	if s.left--; s.left < 0 {
		return errDown
	}
	return s.Store.Add(ctx, entry)
}

func TestImportWhenTheStoreFails(t *testing.T) {
	t.Parallel()
	b := newBundle(t, func(backend *asyncevents.Backend) {
		backend.DeadLetters = &brokenAdds{backend.DeadLetters, 1}
	})
	file := `{"queue":"events","message_id":"a","payload":1}` + "\n" + `{"queue":"events","message_id":"b","payload":1}`
	got := b.do(http.MethodPost, "api/queues/events/import?to=dlq", file)
	assert.Equal(t, http.StatusServiceUnavailable, got.Code)
	assert.Equal(t, "5", got.Header().Get("Retry-After"))
	assert.EqualValues(t, 1, *decode[importFailure](t, got).Imported)
	assert.Contains(t, b.log.String(), "request failed")
}

func TestImportOfABodyThatBreaksOff(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	body := io.MultiReader(strings.NewReader(`{"queue":"events","message_id":"a","payload":1}`+"\n{"), iotest.ErrReader(io.ErrUnexpectedEOF))
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/manage/api/queues/events/import?to=dlq", body)
	w := httptest.NewRecorder()
	b.mux.ServeHTTP(w, r)
	assert.Equal(t, http.StatusBadRequest, w.Code)
	assert.Contains(t, w.Body.String(), "The body could not be read; 1 were imported before")
	assert.NotContains(t, b.log.String(), "request failed", "it is not the store's fault")
}

// deadlines is a ResponseWriter that notes the deadlines set.
type deadlines struct {
	*httptest.ResponseRecorder
	read, write []time.Time
	err         error
}

func (d *deadlines) SetReadDeadline(at time.Time) error {
	d.read = append(d.read, at)
	return d.err
}

func (d *deadlines) SetWriteDeadline(at time.Time) error {
	d.write = append(d.write, at)
	return d.err
}

func TestImportDeadlines(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	request := func() *http.Request {
		body := iotest.OneByteReader(strings.NewReader(`{"queue":"events","message_id":"a","payload":1}`))
		return httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/manage/api/queues/events/import?to=dlq", body)
	}
	w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	b.mux.ServeHTTP(w, request())
	assert.Equal(t, http.StatusOK, w.Code)
	for pair := range slices.Chunk(w.read, 2) {
		assert.WithinDuration(t, time.Now().Add(importStall), pair[0], 30*time.Second)
		assert.True(t, pair[1].IsZero(), "none is left behind")
	}
	require.Len(t, w.write, 2)
	assert.True(t, w.write[0].IsZero())
	assert.WithinDuration(t, time.Now().Add(importAnswer), w.write[1], 30*time.Second)

	w = &deadlines{ResponseRecorder: httptest.NewRecorder(), err: net.ErrClosed}
	b.mux.ServeHTTP(w, request())
	assert.Equal(t, http.StatusBadRequest, w.Code)
}

// TestImportOutlivesTheServersTimeouts uploads for longer than the server gives a request.
func TestImportOutlivesTheServersTimeouts(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	server := httptest.NewUnstartedServer(b.mux)
	const limit = 500 * time.Millisecond // a busy machine takes its time until the handler begins
	server.Config.ReadTimeout, server.Config.WriteTimeout = limit, limit
	server.Start()
	t.Cleanup(server.Close)
	body, upload := io.Pipe()
	go func() {
		defer upload.Close()
		for n := range 5 {
			<-time.After(limit / 2) // the passing of time is what is tested
			if _, err := fmt.Fprintf(upload, `{"queue":"events","message_id":"m%d","payload":1}`+"\n", n); err != nil {
				return
			}
		}
	}()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/manage/api/queues/events/import?to=dlq", body)
	require.NoError(t, err)
	response, err := server.Client().Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	assert.JSONEq(t, `{"imported":5,"skipped":0}`, string(answer))
}

func TestUploadPassesOnWhatFails(t *testing.T) {
	t.Parallel()
	w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	u := newUpload(&call{w: w, r: &http.Request{Body: io.NopCloser(iotest.ErrReader(os.ErrDeadlineExceeded))}})
	for range 2 {
		_, err := u.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	}
}
