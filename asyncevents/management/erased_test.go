package management

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What was erased is listed, and comes back, some or all of it.
func TestErasedIsRestored(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addFound()
	require.Equal(t, http.StatusOK, b.do(http.MethodDelete, "api/queues/events/entries?confirm=6", "").Code)
	type reply struct {
		Total   *int64
		Entries []struct{ Queue string }
	}
	list := decode[reply](t, b.do(http.MethodGet, "api/queues/events/erased?limit=2", ""))
	assert.EqualValues(t, 6, *list.Total)
	list = decode[reply](t, b.do(http.MethodGet, "api/queues/events/erased?limit=2&action=use", ""))
	assert.Nil(t, list.Total, "it would have to be read")
	require.Len(t, list.Entries, 2)
	assert.Equal(t, "events", list.Entries[0].Queue)
	assert.Zero(t, b.depth())

	assert.JSONEq(t, `{"restored":3}`, b.do(http.MethodPost, "api/queues/events/erased/restore", `{"error":"account"}`).text)
	assert.EqualValues(t, 3, b.depth())
	row := b.audit()[0]
	assert.Equal(t, "restore", row.Action)
	assert.EqualValues(t, 3, row.Count)
	for _, body := range []string{`{"other":1}`, `{"q":1}`, `{"from":"yesterday"}`, `[]`} {
		assert.Equal(t, http.StatusBadRequest, b.do(http.MethodPost, "api/queues/events/erased/restore", body).Code, body)
	}
	assert.JSONEq(t, `{"restored":3}`, b.do(http.MethodPost, "api/queues/events/erased/restore", "").text)
	assert.JSONEq(t, `{"restored":0}`, b.do(http.MethodPost, "api/queues/events/erased/restore", "").text)
	assert.EqualValues(t, 6, b.depth())
}
