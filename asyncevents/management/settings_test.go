package management

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

func TestSettingsAreSaved(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	assert.JSONEq(t, `{"batch_size":100,"cooldown_minutes":1}`, b.do(http.MethodGet, "api/settings", "").text)
	got := b.do(http.MethodPut, "api/settings", `{"cooldown_minutes":0.25,"batch_size":7}`)
	assert.Equal(t, http.StatusOK, got.Code)
	assert.JSONEq(t, `{"batch_size":7,"cooldown_minutes":0.25}`, got.text)
	assert.JSONEq(t, got.text, b.do(http.MethodGet, "api/settings", "").text)
	row := b.audit()[0]
	assert.Equal(t, asyncevents.AuditRow{ID: row.ID, At: row.At, Actor: "alice", Action: "configure",
		Outcome: outcomeAllowed, Detail: "batch_size 7, cooldown_minutes 0.25"}, row)
}

func TestSettingsAreChecked(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	tests := map[string]struct {
		code  int
		names []string
	}{
		``:                 {CodeInvalidSettings, []string{"batch_size", "cooldown_minutes"}},
		`{}`:               {CodeInvalidSettings, []string{"batch_size", "cooldown_minutes"}},
		`{"batch_size":5}`: {CodeInvalidSettings, []string{"cooldown_minutes"}},
		`{"batch_size":null,"cooldown_minutes":1}`:                     {CodeInvalidSettings, []string{"batch_size"}},
		`{"batch_size":0,"cooldown_minutes":-1}`:                       {CodeInvalidSettings, []string{"batch_size", "cooldown_minutes"}},
		`{"batch_size":100001,"cooldown_minutes":1441}`:                {CodeInvalidSettings, []string{"batch_size", "cooldown_minutes"}},
		`{"batch_size":1.5,"cooldown_minutes":"1"}`:                    {CodeInvalidSettings, []string{"batch_size", "cooldown_minutes"}},
		`{"batch_size":1e400,"cooldown_minutes":1}`:                    {CodeInvalidSettings, []string{"batch_size"}},
		`{"batch_size":1,"cooldown_minutes":1,"x":1}`:                  {CodeUnsupported, []string{"'x'"}},
		`{"Batch_Size":1,"cooldown_minutes":1}`:                        {CodeUnsupported, []string{"'Batch_Size'"}},
		`{"batch_size":1,"batch_size":2,"cooldown_minutes":1}`:         {asyncevents.CodeMalformed, nil},
		`{"batch_size":1,"cooldown_minutes":1,"max_round_trips":-1}`:   {CodeInvalidSettings, []string{"max_round_trips"}},
		`{"batch_size":1,"cooldown_minutes":1,"max_round_trips":null}`: {CodeInvalidSettings, []string{"max_round_trips"}},
		`[1,1]`: {asyncevents.CodeMalformed, nil},
	}
	for body, want := range tests {
		got := b.do(http.MethodPut, "api/settings", body)
		assert.Equal(t, http.StatusBadRequest, got.Code, body)
		assert.Equal(t, want.code, code(t, got), body)
		for _, name := range want.names {
			assert.Contains(t, got.text, name, body)
		}
	}
	settings, err := b.core.jobs.Settings(t.Context())
	require.NoError(t, err)
	assert.Equal(t, retry.DefaultSettings(), settings)
	assert.Len(t, b.audit(), len(tests))
}

// What came back often enough stays, is said to be quarantined, and is not counted for a job that would leave it.
func TestQuarantine(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addEntry(dlq.Entry{MessageID: "once", Payload: []byte(`{}`), Redrives: 1})
	b.addEntry(dlq.Entry{MessageID: "twice", Payload: []byte(`{}`), Redrives: 2})
	assert.NotContains(t, b.do(http.MethodGet, "queues/events", "").text, "quarantined")
	got := b.do(http.MethodPut, "api/settings", `{"batch_size":7,"cooldown_minutes":0,"max_round_trips":2}`)
	assert.JSONEq(t, `{"batch_size":7,"cooldown_minutes":0,"max_round_trips":2}`, got.text)
	assert.Equal(t, "batch_size 7, cooldown_minutes 0, max_round_trips 2", b.audit()[0].Detail)
	got = b.do(http.MethodPut, "api/settings", `{"batch_size":8,"cooldown_minutes":0}`)
	assert.JSONEq(t, `{"batch_size":8,"cooldown_minutes":0,"max_round_trips":2}`, got.text, "who does not know it leaves it as it is")

	assert.EqualValues(t, 1, decode[dryRunJSON](t, b.do(http.MethodPost, "api/queues/events/retry-job", `{"dry_run":true}`)).Count)
	page := b.do(http.MethodGet, "queues/events", "").text
	assert.Equal(t, 1, strings.Count(page, "2, quarantined"))
	assert.Contains(t, page, `href="../queues/events?min_redrives=2"`)
	assert.Contains(t, b.do(http.MethodGet, "queues/events/entries/2", "").text, "2, quarantined")
	assert.Contains(t, b.do(http.MethodPost, "api/queues/events/retry-job", "").text, `"filter":{"max_redrives":1}`)
}

func TestBodiesAreBounded(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	got := b.do(http.MethodPut, "api/settings", strings.Repeat(" ", maxBody+1))
	assert.Equal(t, http.StatusRequestEntityTooLarge, got.Code)
	assert.Equal(t, asyncevents.CodeTooLarge, code(t, got))
	got = b.submit("settings", url.Values{"batch_size": {strings.Repeat("1", maxBody)}})
	assert.Equal(t, http.StatusRequestEntityTooLarge, got.Code)
	got = b.do(http.MethodPost, "settings", "%zz", "Content-Type", "application/x-www-form-urlencoded")
	assert.Equal(t, http.StatusBadRequest, got.Code)
	assert.Len(t, b.audit(), 3)
}

func TestSettingsForm(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	got := b.submit("settings", url.Values{"batch_size": {" 20 "}, "cooldown_minutes": {"0.5"}})
	assert.Equal(t, http.StatusSeeOther, got.Code)
	assert.Equal(t, "./settings?flash="+flashSettingsSaved, got.Header().Get("Location"))
	page := b.do(http.MethodGet, "settings?flash="+flashSettingsSaved, "").text
	assert.Contains(t, page, `value="20"`)
	assert.Contains(t, page, `value="0.5"`)
	assert.Contains(t, page, "The settings were saved.")

	for _, cooldown := range []string{"", "NaN", "Inf", "1,5", "<b>", "null", "true"} {
		got = b.submit("settings", url.Values{"batch_size": {"0"}, "cooldown_minutes": {cooldown}})
		assert.Equal(t, http.StatusBadRequest, got.Code, cooldown)
		assert.Contains(t, got.text, "cooldown_minutes", cooldown)
		assert.Contains(t, got.Header().Get("Content-Type"), "text/html")
	}
}
