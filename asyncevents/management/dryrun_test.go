package management

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/dlq"
)

// addLate puts one more entry of the cause "account <n> closed" into the DLQ.
func (b *bundle) addLate(n int) {
	b.addEntry(dlq.Entry{MessageID: fmt.Sprintf("late-%d", n), Payload: []byte("{}"),
		Failure: dlq.Failure{Type: "error", Message: fmt.Sprintf("account %d closed", 100+n)}})
}

// TestDryRuns asks each action on many entries what it would do: it does nothing, and the audit log says so.
func TestDryRuns(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addFound()
	require.Equal(t, http.StatusOK, b.do(http.MethodDelete, "api/queues/events/entries?confirm=1&ids="+b.ids()[0], "").Code)
	b.addLate(1)
	for name, ask := range map[string]func() reply{
		"erase": func() reply {
			return b.do(http.MethodDelete, "api/queues/events/entries?dry_run=true&error=account&up_to=6&confirm=7", "")
		},
		"export": func() reply {
			return b.do(http.MethodPost, "api/queues/events/exports", `{"dry_run":true,"error":"account","up_to":"6"}`)
		},
		"retry_job_start": func() reply { return b.do(http.MethodPost, jobPath, `{"dry_run":true,"error":"account","up_to":"6"}`) },
	} {
		got := ask()
		assert.Equal(t, http.StatusOK, got.Code, "%s: %s", name, got.text)
		assert.JSONEq(t, `{"dry_run":true,"count":3,"up_to":"6"}`, got.text, name)
		row := b.audit()[0]
		assert.Equal(t, []any{name, "dry run", outcomeAllowed, int64(3)}, []any{row.Action, row.Detail, row.Outcome, row.Count})
	}
	got := b.do(http.MethodPost, "api/queues/events/erased/restore", `{"dry_run":true}`)
	assert.JSONEq(t, `{"dry_run":true,"count":1,"up_to":"`+b.erasedID()+`"}`, got.text)
	assert.Equal(t, "dry run", b.audit()[0].Detail)
	assert.EqualValues(t, 6, b.depth())
	records, err := b.core.exports.List(t.Context(), "events", 10)
	require.NoError(t, err)
	assert.Empty(t, records)

	got = b.do(http.MethodDelete, "api/queues/callbacks/entries?dry_run=true", "")
	assert.JSONEq(t, `{"dry_run":true,"count":0}`, got.text, "nothing has no largest id")
	for _, query := range []string{"dry_run=", "dry_run=yes", "dry_run=1", "up_to=0", "up_to=-1", "up_to=x", "up_to="} {
		assert.Equal(t, http.StatusBadRequest, b.do(http.MethodDelete, "api/queues/events/entries?confirm=6&"+query, "").Code, query)
	}
	for _, path := range []string{jobPath, "api/queues/events/exports", "api/queues/events/erased/restore"} {
		for _, body := range []string{`{"dry_run":"true"}`, `{"up_to":6}`, `{"up_to":"0"}`, `{"up_to":"x"}`, `{"up_to":null}`} {
			assert.Equal(t, http.StatusBadRequest, b.do(http.MethodPost, path, body).Code, "%s: %s", path, body)
		}
	}
	assert.EqualValues(t, 6, b.depth(), "nothing was done")
	got = b.do(http.MethodDelete, "api/queues/events/entries?dry_run=false&confirm=6", "")
	assert.JSONEq(t, `{"erased":6}`, got.text)
}

// erasedID is the id of the latest entry that was erased.
func (b *bundle) erasedID() string {
	b.t.Helper()
	list := decode[entriesReply](b.t, b.do(http.MethodGet, "api/queues/events/erased", ""))
	return list.Entries[len(list.Entries)-1].ID
}

// TestErasesTheSetThatWasShown holds that what is confirmed is the set that was counted: not another one of the same size, and also
// while failures stream in.
func TestErasesTheSetThatWasShown(t *testing.T) {
	t.Parallel()
	for name, filter := range map[string]string{"all": "", "found": "&error=account"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t, nil)
			b.addFound()
			refused := decode[struct {
				Count int64
				UpTo  string `json:"up_to"`
			}](t, b.do(http.MethodDelete, "api/queues/events/entries?up_to=99"+filter, ""))
			shown := map[string]int64{"all": 6, "found": 3}[name]
			assert.Equal(t, shown, refused.Count)
			require.Equal(t, "6", refused.UpTo)
			erase := func(confirm int64) reply {
				return b.do(http.MethodDelete, fmt.Sprintf("api/queues/events/entries?confirm=%d&up_to=6%s", confirm, filter), "")
			}
			b.do(http.MethodPost, "api/queues/events/entries/"+b.ids()[1]+"/retry", "") // one leaves
			b.addLate(1)                                                                // one comes in
			got := erase(shown)
			assert.Equal(t, http.StatusConflict, got.Code)
			assert.Contains(t, got.text, fmt.Sprintf(`"count":%d,"up_to":"6"`, shown-1))
			b.addLate(2)
			got = erase(shown - 1)
			assert.JSONEq(t, fmt.Sprintf(`{"erased":%d}`, shown-1), got.text)
			left := decode[entriesReply](t, b.do(http.MethodGet, "api/queues/events/entries?error=account", ""))
			assert.Len(t, left.Entries, 2, "those that came in")
		})
	}
}

// TestJobOfTheSetThatWasShown moves what was counted, and lists what an id bounds.
func TestJobOfTheSetThatWasShown(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addFound()
	b.addLate(1)
	job := decode[jobAnswer](t, b.do(http.MethodPost, jobPath, `{"up_to":"6"}`))
	assert.EqualValues(t, 6, job.Total)
	assert.Equal(t, "6", job.Filter["up_to"])
	list := decode[entriesReply](t, b.do(http.MethodGet, "api/queues/events/entries?up_to=2", ""))
	assert.Len(t, list.Entries, 2)
	assert.EqualValues(t, 2, list.Total)
}

// TestFilterTextsAreTexts refuses what no store could look for, rather than to fail over it.
func TestFilterTextsAreTexts(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addFound()
	for _, field := range []string{"correlation_id", "signature", "error", "q", "action", "job"} {
		for _, path := range []string{jobPath, "api/queues/events/exports", "api/queues/events/erased/restore"} {
			got := b.do(http.MethodPost, path, `{"`+field+`":"a\u0000b"}`)
			assert.Equal(t, http.StatusBadRequest, got.Code, field)
			assert.Contains(t, got.text, field+" must be UTF-8 without NUL", path)
		}
		for _, text := range []string{"%00", "%FF"} {
			assert.Equal(t, http.StatusBadRequest, b.do(http.MethodGet, "api/queues/events/entries?"+field+"="+text, "").Code, field)
		}
	}
	assert.Equal(t, http.StatusBadRequest, b.do(http.MethodPost, jobPath, `{"attributes":{"p":"\u0000"}}`).Code)
}
