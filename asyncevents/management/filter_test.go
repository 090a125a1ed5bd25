package management

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/dlq"
)

// addFound adds six entries: of three events, two causes, two actions.
func (b *bundle) addFound() {
	b.t.Helper()
	for i, message := range []string{"host 10.0.0.1 refused", "account 1 closed", "host 10.0.0.2 refused", "account 2 closed",
		"host 10.0.0.3 refused", "account 3 closed"} {
		b.addEntry(dlq.Entry{
			MessageID: string(rune('a' + i)), CorrelationID: "event-" + string(rune('0'+i/2)),
			Failure: dlq.Failure{Type: "error", Message: message},
			Payload: []byte([]string{`{"action":"add","data":{"tier":"gold"}}`, `{"action":"use","data":{"tier":"Gold"}}`}[i/3]),
		})
	}
}

// shown is the message texts of a list.
func (b *bundle) shown(query string) (messages []string) {
	b.t.Helper()
	got := b.do(http.MethodGet, "api/queues/events/entries?"+query, "")
	require.Equal(b.t, http.StatusOK, got.Code, got.text)
	for _, e := range decode[struct {
		Entries []struct{ Error struct{ Message string } }
	}](b.t, got).Entries {
		messages = append(messages, e.Error.Message)
	}
	return messages
}

func TestListFiltered(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addFound()
	cause := dlq.Failure{Type: "error", Message: "account 9 closed"}.Signature()
	for query, want := range map[string][]string{
		"correlation_id=event-1":                          {"host 10.0.0.2 refused", "account 2 closed"},
		"signature=" + cause:                              {"account 1 closed", "account 2 closed", "account 3 closed"},
		"signature=" + cause + "&limit=1":                 {"account 1 closed"},
		"error=HOST&action=use":                           {"host 10.0.0.3 refused"},
		"q=GOLD&attribute=data.tier%3DGold&error=account": {"account 2 closed", "account 3 closed"},
		"to=2026-01-01T00:00:00Z":                         nil,
		"min_redrives=1":                                  nil,
		"max_redrives=0&limit=1":                          {"host 10.0.0.1 refused"},
		"q=account+1&from=" + url.QueryEscape(time.Now().Add(-time.Hour).Format(time.RFC3339)): {"account 1 closed"},
	} {
		assert.Equal(t, want, b.shown(query), query)
	}
}

func TestEraseFiltered(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addFound()
	got := b.do(http.MethodDelete, "api/queues/events/entries?error=account", "")
	assert.Equal(t, http.StatusConflict, got.Code)
	assert.EqualValues(t, 3, *decode[errorBody](t, got).Count)
	got = b.do(http.MethodDelete, "api/queues/events/entries?error=account&confirm=6", "")
	assert.Equal(t, http.StatusConflict, got.Code)
	got = b.do(http.MethodDelete, "api/queues/events/entries?error=account&confirm=3", "")
	assert.JSONEq(t, `{"erased":3}`, got.text)
	assert.Equal(t, []string{"host 10.0.0.1 refused", "host 10.0.0.2 refused", "host 10.0.0.3 refused"}, b.shown(""))
}

func TestErrorGroups(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	assert.JSONEq(t, `{"errors":[]}`, b.do(http.MethodGet, "api/queues/events/errors", "").text)
	b.addFound()
	b.addEntry(dlq.Entry{MessageID: "z", Failure: dlq.Failure{Type: "error", Message: "account 4 closed"}})
	got := b.do(http.MethodGet, "api/queues/events/errors", "")
	list := decode[struct {
		Errors []struct {
			groupHead
			Sample struct {
				ID string `json:"id"`
			} `json:"sample"`
		} `json:"errors"`
	}](t, got).Errors
	require.Len(t, list, 2)
	assert.Equal(t, errorHead{"error", "account <n> closed"}, list[0].Error)
	assert.EqualValues(t, 4, list[0].Count)
	assert.EqualValues(t, 3, list[1].Count)
	assert.Equal(t, b.ids()[1], list[0].Sample.ID)
	assert.False(t, list[0].LastSeen.Before(list[0].FirstSeen))
	assert.Len(t, b.shown("signature="+list[0].Signature), 4)
}

// Whoever must not see payloads cannot find out what is in them.
func TestPayloadsAreNotSearchedByEverybody(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addFound()
	b.authorize = butFor(ActionViewPayload)
	for _, query := range []string{"q=gold", "action=use", "attribute=data.tier%3Dgold"} {
		for method, suffix := range map[string]string{http.MethodGet: "", http.MethodDelete: "&confirm=3"} {
			got := b.do(method, "api/queues/events/entries?"+query+suffix, "")
			assert.Equal(t, http.StatusForbidden, got.Code, query)
			assert.Equal(t, CodePayloadsHidden, code(t, got), query)
		}
	}
	assert.Len(t, b.shown("error=account"), 3)
	assert.EqualValues(t, 6, b.depth())
}
