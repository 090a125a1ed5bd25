package management

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/export"
)

// fileForm is a page's form with a file, and the type of its body.
func fileForm(t *testing.T, file string) (body, contentType string) {
	t.Helper()
	var form bytes.Buffer
	writer := multipart.NewWriter(&form)
	require.NoError(t, writer.WriteField("other", "ignored"))
	part, err := writer.CreateFormFile(fieldFile, "redrive-events.json")
	require.NoError(t, err)
	_, err = part.Write([]byte(file))
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	return form.String(), writer.FormDataContentType()
}

// TestImportByTheForm imports a file as a browser sends it, into the DLQ and into the main queue, and the same file once more.
func TestImportByTheForm(t *testing.T) {
	t.Parallel()
	for _, format := range export.Formats() {
		b := newBundle(t, nil)
		b.addMany(30)
		body, kind := fileForm(t, b.file(format))
		for _, says := range []string{"Imported entries: 30.", "Imported entries: 0."} {
			got := b.do(http.MethodPost, "queues/events/import?to=dlq", body, "Content-Type", kind)
			require.Equal(t, http.StatusSeeOther, got.Code, got.text)
			back := b.do(http.MethodGet, "queues/"+got.Header().Get("Location")[len("../../queues/"):], "")
			assert.Contains(t, back.text, says)
			assert.EqualValues(t, 30, b.depth())
		}
		_, err := b.core.dlq.Discard(t.Context(), "events", dlq.Filter{}, 30)
		require.NoError(t, err)
		got := b.do(http.MethodPost, "queues/events/import?to=queue", body, "Content-Type", kind)
		require.Equal(t, http.StatusSeeOther, got.Code, got.text)
		assert.EqualValues(t, 30, b.ready())
		row := b.audit()[0]
		assert.Equal(t, "to=queue, 0 skipped", row.Detail)
		assert.EqualValues(t, 30, row.Count)
	}
}

// TestImportFormRefuses says on a page what is wrong with a file, and what was imported before.
func TestImportFormRefuses(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addMany(30)
	body, kind := fileForm(t, b.file(export.FormatNDJSON))
	damaged, damagedKind := fileForm(t, "no export\n")
	none, noneKind := fileForm(t, "")
	for name, c := range map[string]struct {
		path, body, kind string
		code             int
		says             string
	}{
		"damaged":     {"?to=dlq", damaged, damagedKind, http.StatusBadRequest, "The file is no export"},
		"cut off":     {"?to=dlq", body[:len(body)-200], kind, http.StatusBadRequest, "could not be read"},
		"no target":   {"", none, noneKind, http.StatusBadRequest, "must be dlq or queue"},
		"not a form":  {"?to=dlq", "{}", "application/json", http.StatusBadRequest, "must be multipart/form-data"},
		"no boundary": {"?to=dlq", "{}", "multipart/form-data", http.StatusBadRequest, "could not be read"},
		"no file":     {"?to=dlq", "--x--\r\n", "multipart/form-data; boundary=x", http.StatusBadRequest, "No file was chosen"},
	} {
		got := b.do(http.MethodPost, "queues/events/import"+c.path, c.body, "Content-Type", c.kind)
		assert.Equal(t, c.code, got.Code, name)
		assert.Contains(t, textOf(t, got.text), c.says, name)
	}
	b.cfg.MaxImportBytes = 100
	got := b.do(http.MethodPost, "queues/events/import?to=dlq", body, "Content-Type", kind)
	assert.Equal(t, http.StatusRequestEntityTooLarge, got.Code)
}

// TestImportFormFollowsRights offers each import to whoever may do it, and refuses it to anybody else.
func TestImportFormFollowsRights(t *testing.T) {
	t.Parallel()
	const intoDLQ, intoQueue = "Import into this DLQ", "Import into the main queue"
	for _, c := range []struct {
		denied     Action
		dlq, queue bool
	}{
		{"", true, true}, {ActionEdit, false, false}, {ActionExport, false, true}, {ActionRetry, true, false}, {ActionErase, true, true},
	} {
		b := newBundle(t, nil)
		b.authorize = butFor(c.denied)
		page := b.do(http.MethodGet, "queues/events", "").text
		for target, offer := range map[string]struct {
			says    string
			allowed bool
		}{"dlq": {intoDLQ, c.dlq}, "queue": {intoQueue, c.queue}} {
			body, kind := fileForm(t, "")
			got := b.do(http.MethodPost, "queues/events/import?to="+target, body, "Content-Type", kind)
			if offer.allowed {
				assert.Contains(t, page, offer.says, c.denied)
				assert.Contains(t, page, "import?to="+target, c.denied)
			} else {
				assert.NotContains(t, page, offer.says, c.denied)
				assert.Equal(t, http.StatusForbidden, got.Code, "%s: %s", c.denied, target)
			}
		}
	}
}
