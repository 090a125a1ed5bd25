package management_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/asyncevents/management"
	"github.com/redrive-go/redrive/backends/memory"
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
	// Everybody who was logged in by the host's own middleware may look, admins may do anything.
	authorize := func(r *http.Request, action management.Action) (string, error) {
		user := r.Header.Get("X-User")
		if action == management.ActionView || user == "admin" {
			return user, nil
		}
		return user, fmt.Errorf("%s may only look", user)
	}
	request := httptest.NewRequest(http.MethodPost, "/manage/api/queues/events/retry-one", nil)
	request.Header.Set("X-User", "bob")
	_, err := authorize(request, management.ActionRetry)
	fmt.Println(err)
	// Output: bob may only look
}
