package sqlite

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/internal/sqlstore"
	"github.com/redrive-go/redrive/export"
)

// limit lets the file grow to so many pages, or to what it has where that is more: at the limit SQLite says that the disk is full.
func (db *database) limit(t *testing.T, pages string) {
	t.Helper()
	db.mu.Lock()
	defer db.mu.Unlock()
	require.NoError(t, db.writer.query(func(sqlstore.Scanner) error { return nil }, "PRAGMA max_page_count = "+pages, nil))
}

// While the disk is full, events are answered with 503 and a Retry-After, and soon after there is room they are taken again. Whatever was
// taken is processed.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	db, err := openDatabase(t.Context(), filepath.Join(t.TempDir(), "events.db"))
	require.NoError(t, err)
	defer func() { assert.NoError(t, db.Close()) }()
	quiet := slog.New(slog.DiscardHandler)
	backend, _ := sqlstore.NewBackend(db, newDialect(db), sqlstore.Parts{Flushers: 1, Logger: quiet})
	exports, err := export.NewFolder(t.TempDir())
	require.NoError(t, err)
	defer func() { assert.NoError(t, exports.Close()) }()
	var runs atomic.Int64
	service, err := asyncevents.New(backend, func(context.Context, asyncevents.Event) (any, error) {
		runs.Add(1)
		return nil, nil
	}, &asyncevents.Config{Exports: exports, Logger: quiet})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	defer func() { stop(); assert.NoError(t, <-ended) }()

	var taken []string
	body := `{"data":{"text":"` + strings.Repeat("x", 16<<10) + `"}}`
	post := func() (status int) {
		r := httptest.NewRequest(http.MethodPost, "/v1/async/events", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		service.Handler().ServeHTTP(w, r)
		var answer struct {
			Payload struct {
				ID string `json:"correlation_id"`
			}
		}
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &answer))
		if w.Code == http.StatusAccepted {
			taken = append(taken, answer.Payload.ID)
		} else {
			require.Equal(t, http.StatusServiceUnavailable, w.Code, w.Body)
			require.NotEmpty(t, w.Header().Get("Retry-After"))
		}
		return w.Code
	}
	for range 20 {
		require.Equal(t, http.StatusAccepted, post())
	}
	db.limit(t, "1") // as it is
	refused := 0
	for tries := 0; refused < 50; tries++ {
		require.Less(t, tries, 10_000)
		if post() == http.StatusServiceUnavailable {
			refused++
		}
	}
	db.limit(t, "1000000")
	room := time.Now()
	for post() != http.StatusAccepted {
		require.Less(t, time.Since(room), 10*time.Second)
	}
	for _, id := range taken {
		record, err := service.Await(t.Context(), id, time.Minute)
		require.NoError(t, err)
		require.Equal(t, asyncevents.StatusProcessed, record.Status)
	}
	assert.GreaterOrEqual(t, runs.Load(), int64(len(taken)))
}
