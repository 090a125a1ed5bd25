package management_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/asyncevents/management"
	"github.com/redrive-go/redrive/backends/memory"
	"github.com/redrive-go/redrive/dlq"
)

func ExampleHandler() {
	process := func(context.Context, asyncevents.Event) (any, error) { return "done", nil }
	service, err := asyncevents.New(memory.New(), process, &asyncevents.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler, err := management.Handler(service, management.Token("s3cret"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/manage/", handler)

	request := httptest.NewRequest(http.MethodGet, "/manage/api/settings", nil)
	request.Header.Set("Authorization", "Bearer s3cret")
	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, request)
	fmt.Print(answer.Code, " ", answer.Body)
	// Output: 200 {"batch_size":100,"cooldown_minutes":1}
}

func ExampleAuthorizer() {
	// Everybody who was logged in by the host's own middleware may look. Support sees payloads and retries, admins may do
	// anything.
	support := []management.Action{management.ActionView, management.ActionViewPayload, management.ActionRetry}
	authorize := func(r *http.Request, action management.Action) (string, error) {
		user, role := r.Header.Get("X-User"), r.Header.Get("X-Role")
		if action == management.ActionView || role == "admin" || role == "support" && slices.Contains(support, action) {
			return user, nil
		}
		return user, fmt.Errorf("%s has no right to %s", user, action)
	}
	request := httptest.NewRequest(http.MethodPost, "/manage/api/queues/events/retry-one", nil)
	request.Header.Set("X-User", "bob")
	_, err := authorize(request, management.ActionRetry)
	fmt.Println(err)
	// Output: bob has no right to retry
}

func ExampleConfig_redact() {
	// Card numbers are shown by their last digits, wherever they stand.
	card := regexp.MustCompile(`\b\d{12}(\d{4})\b`)
	cfg := &management.Config{Redact: func(_ context.Context, entry dlq.Entry) ([]byte, error) {
		return card.ReplaceAll(entry.Payload, []byte("************$1")), nil
	}}
	shown, err := cfg.Redact(context.Background(), dlq.Entry{Queue: "events", Payload: []byte(`{"card":"4111111111111111"}`)})
	fmt.Println(string(shown), err)
	// Output: {"card":"************1111"} <nil>
}
