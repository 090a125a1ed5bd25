package management

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/asyncevents/callback"
	"github.com/redrive-go/redrive/backends/memory"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/export"
	"github.com/redrive-go/redrive/retry"
)

// Secrets that are seeded wherever a service gets some.
const (
	webhookKey  = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr"
	manageToken = "manage-s3cret"
	wrongToken  = "wrong-s3cret"
	stackSecret = "stack-s3cret"
	metaSecret  = "metadata-s3cret"
)

// echoing is a receiver of callbacks that fails and tells all that it got. It notes the signatures.
func echoing(t *testing.T, signatures chan<- string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = fmt.Fprintf(w, "you sent %q", r.Header)
		signatures <- r.Header.Get("Webhook-Signature")
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// lockedLog may be read while Watermill's goroutines say their last words.
type lockedLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// TestSeededSecretsNeverAppear looks for secrets in all that the management shows, hands out and logs.
func TestSeededSecretsNeverAppear(t *testing.T) {
	t.Parallel()
	signatures := make(chan string, 1)
	receiver := echoing(t, signatures)
	backend := memory.New()
	folder, err := export.NewFolder(t.TempDir())
	require.NoError(t, err)
	defer func() { require.NoError(t, folder.Close()) }()
	var log lockedLog
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	service, err := asyncevents.New(backend, echo, &asyncevents.Config{
		Logger: logger, Exports: folder, CallbackPolicy: retry.Policy{MaxAttempts: 1},
		Callbacks: &callback.Config{Secrets: []string{"whsec_" + webhookKey}, AllowPrivate: true},
	})
	require.NoError(t, err)
	require.NoError(t, backend.DeadLetters.Add(t.Context(), dlq.Entry{Queue: asyncevents.EventsQueue, MessageID: "m",
		Topic: "redrive.events", Payload: []byte(`{}`), Failure: dlq.Failure{Type: "panic", Message: "boom", Stack: stackSecret},
		Metadata: map[string]string{"authorization": metaSecret}}))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- service.Run(ctx) }()
	defer cancel()
	_, err = service.Accept(t.Context(), asyncevents.Submission{Body: []byte(`{"callback_url":"` + receiver + `"}`)})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		stats, err := service.DeadLetters().Stat(t.Context(), asyncevents.CallbacksQueue)
		return err == nil && stats.Count == 1
	}, waitLimit, waitTick)
	signature := <-signatures
	require.True(t, strings.HasPrefix(signature, "v1,"))

	handler, err := Handler(service, Token(manageToken), &Config{Logger: logger})
	require.NoError(t, err)
	said := sayAll(t, handler, service)
	cancel()
	require.NoError(t, <-ended)
	said += log.String()
	assert.Contains(t, said, "you sent", "the receiver's answer is shown")
	assert.Contains(t, said, receiver)
	for _, secret := range []string{webhookKey, manageToken, wrongToken, stackSecret, metaSecret, signature,
		strings.TrimPrefix(signature, "v1,"), url.QueryEscape(signature)} {
		assert.NotContains(t, said, secret)
	}
}

// sayAll asks a handler for everything about both DLQs, with a wrong token first, and returns what it said.
func sayAll(t *testing.T, handler http.Handler, service *asyncevents.Service) string {
	t.Helper()
	var said strings.Builder
	ask := func(method, path, token string) int {
		r := httptest.NewRequestWithContext(t.Context(), method, "/"+path, http.NoBody)
		r.SetBasicAuth("alice", token)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		_, err := io.Copy(&said, w.Body)
		require.NoError(t, err)
		require.NoError(t, w.Header().Write(&said))
		return w.Code
	}
	for _, queue := range queueNames {
		page, err := service.DeadLetters().List(t.Context(), queue, dlq.Query{})
		require.NoError(t, err)
		require.Len(t, page.Entries, 1)
		require.Equal(t, http.StatusAccepted, ask(http.MethodPost, "api/queues/"+queue+"/exports", manageToken))
		exportID := awaitExport(t, service, queue)
		for _, route := range allRoutes() {
			id := fmt.Sprint(page.Entries[0].ID)
			if strings.Contains(route.pattern, "exports/") {
				id = exportID
			}
			path := strings.NewReplacer("{queue}", queue, "{id}", id).Replace(route.pattern)
			require.Equal(t, http.StatusUnauthorized, ask(route.method, path, wrongToken))
			if !route.changes() {
				ask(route.method, path, manageToken)
			}
		}
		require.Equal(t, http.StatusOK, ask(http.MethodPost, "api/queues/"+queue+"/retry-one", manageToken))
	}
	return said.String()
}

func awaitExport(t *testing.T, service *asyncevents.Service, queue string) (id string) {
	t.Helper()
	require.Eventually(t, func() bool {
		records, err := service.Exports().List(t.Context(), queue, 1)
		require.NoError(t, err)
		id = records[0].ID
		return records[0].State == export.StateCompleted
	}, waitLimit, waitTick)
	return id
}
