package main

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/asyncevents/management"
)

// Where the parts of the server are mounted.
const (
	eventsPath = "/v1/async/events"
	managePath = "/manage"
)

// readyTimeout is how long /readyz waits for the store.
const readyTimeout = 2 * time.Second

// newHandler mounts everything that the server answers to.
func newHandler(o options, service *asyncevents.Service, metrics http.Handler, log *slog.Logger) (http.Handler, error) {
	manage, err := newManagement(o, service, log)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle(eventsPath, service.Handler())
	mux.Handle(eventsPath+"/", service.Handler())
	mux.Handle(managePath+"/", manage)
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { serveReady(w, r, service) })
	mux.Handle("GET /{$}", http.RedirectHandler(managePath+"/", http.StatusSeeOther))
	return mux, nil
}

// newManagement returns the management: behind the token, or on loopback open to this machine, or closed.
func newManagement(o options, service *asyncevents.Service, log *slog.Logger) (http.Handler, error) {
	cfg := &management.Config{Base: managePath, Logger: log}
	if o.manageToken != "" || o.exposed() {
		return management.Handler(service, management.Token(o.manageToken), cfg)
	}
	handler, err := management.Handler(service, allowLocal, cfg)
	if err != nil {
		return nil, err
	}
	return loopbackOnly(handler), nil
}

// allowLocal lets everybody do everything, and calls them "local".
func allowLocal(*http.Request, management.Action) (string, error) { return "local", nil }

// newAuthenticator lets requests to the intake pass that have the token; all of them on loopback without one; and none
// where others could reach an intake without one.
func newAuthenticator(o options) asyncevents.Authenticator {
	if o.intakeToken == "" && !o.exposed() {
		return nil
	}
	return asyncevents.BearerToken(o.intakeToken)
}

// serveReady answers 503 while the store cannot be used. Why is not for strangers; the log has it from those that
// needed the store.
func serveReady(w http.ResponseWriter, r *http.Request, service *asyncevents.Service) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	if service.Ping(ctx) != nil {
		answer(w, http.StatusServiceUnavailable, "not ready")
		return
	}
	answer(w, http.StatusOK, "ready")
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n"))
}
