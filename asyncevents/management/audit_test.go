package management

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
)

type auditReply struct {
	Rows []struct{ ID, Actor, Outcome string }
}

func TestAuditPagesBackwards(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	for i := range 5 {
		require.NoError(t, b.backend.Audit.Append(t.Context(), asyncevents.AuditRow{Actor: fmt.Sprint(i), Action: "erase",
			Outcome: outcomeAllowed}))
	}
	rows := decode[auditReply](t, b.do(http.MethodGet, "api/audit?limit=2", "")).Rows
	require.Len(t, rows, 2)
	assert.Equal(t, "4", rows[0].Actor)
	older := decode[auditReply](t, b.do(http.MethodGet, "api/audit?limit=3&before="+rows[1].ID, "")).Rows
	require.Len(t, older, 3)
	assert.Equal(t, "2", older[0].Actor)
	assert.Contains(t, b.do(http.MethodGet, "audit?limit=2", "").text, "audit?before="+rows[1].ID)
	assert.NotContains(t, b.do(http.MethodGet, "audit", "").text, "Older")
	for _, query := range []string{"before=0", "before=x", "before=-1", "limit=1001", "actor=alice"} {
		assert.Equal(t, http.StatusBadRequest, b.do(http.MethodGet, "api/audit?"+query, "").Code, query)
	}
	assert.Equal(t, http.StatusBadRequest, b.do(http.MethodGet, "audit?before=x", "").Code)
}

func TestAuditEmpty(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	assert.JSONEq(t, `{"rows":[]}`, b.do(http.MethodGet, "api/audit", "").text)
	assert.Contains(t, b.do(http.MethodGet, "audit", "").text, "Nothing was done yet.")
}

func TestActorsAreMadePlain(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.authorize = func(*http.Request, Action) (string, error) {
		return "mal\x00lory\r\nroot \xff" + strings.Repeat("é", 200), errors.New("no\x00" + strings.Repeat("x", 5000))
	}
	b.do(http.MethodPost, "api/queues/events/retry-one", "")
	row := b.audit()[0]
	assert.LessOrEqual(t, len(row.Actor), maxLine)
	assert.True(t, strings.HasPrefix(row.Actor, "mal lory  root \uFFFDéé"), row.Actor)
	assert.LessOrEqual(t, len(row.Detail), 2048)
	assert.NotContains(t, row.Detail, "\x00")
}

// brokenAudit takes no rows.
type brokenAudit struct{ asyncevents.AuditLog }

func (brokenAudit) Append(context.Context, asyncevents.AuditRow) error { return errDown }

func TestUnwrittenAuditRowIsLogged(t *testing.T) {
	t.Parallel()
	b := newBundle(t, func(backend *asyncevents.Backend) { backend.Audit = brokenAudit{backend.Audit} })
	b.addMany(1)
	assert.Equal(t, http.StatusOK, b.do(http.MethodPost, "api/queues/events/retry-one", "").Code)
	assert.Contains(t, b.log.String(), "audit row could not be written")
	assert.Contains(t, b.log.String(), "actor=alice")
	assert.Contains(t, b.log.String(), "level=ERROR")
	assert.NotContains(t, b.log.String(), `"n"`)
}

// hangUp is an audit log that wants to know whether it is given time after the client has gone.
type hangUp struct {
	asyncevents.AuditLog
	err error
}

func (h *hangUp) Append(ctx context.Context, row asyncevents.AuditRow) error {
	h.err = ctx.Err()
	return h.AuditLog.Append(ctx, row)
}

func TestAuditRowOutlivesTheClient(t *testing.T) {
	t.Parallel()
	log := &hangUp{err: errDown}
	b := newBundle(t, func(backend *asyncevents.Backend) {
		log.AuditLog = backend.Audit
		backend.Audit = log
	})
	ctx, cancel := context.WithCancel(t.Context())
	b.authorize = func(*http.Request, Action) (string, error) { cancel(); return "alice", nil }
	const target = "http://example.com/manage/api/queues/events/retry-one"
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, http.NoBody)
	require.NoError(t, err)
	b.mux.ServeHTTP(discard{http.Header{}}, r)
	require.NoError(t, log.err)
	assert.Len(t, b.audit(), 1)
}

// discard is the ResponseWriter of a client that has gone.
type discard struct{ header http.Header }

func (d discard) Header() http.Header     { return d.header }
func (discard) Write([]byte) (int, error) { return 0, errDown }
func (discard) WriteHeader(int)           {}
