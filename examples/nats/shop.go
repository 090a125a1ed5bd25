package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/foreign"
	"github.com/redrive-go/redrive/backends/sqlite"
	"github.com/redrive-go/redrive/retry"
)

// shop ships parcels.
type shop struct {
	backend *asyncevents.Backend
	service *asyncevents.Service

	mu      sync.Mutex
	roads   map[string]bool
	shipped map[string]int // by city
}

// parcel is the data of an event.
type parcel struct {
	City string `json:"city"`
}

var errNoRoad = errors.New("no road leads there")

func openShop(ctx context.Context, b *bus, dir string, log *slog.Logger) (*shop, error) {
	s := &shop{roads: map[string]bool{"Rome": true, "Oslo": true, "Bern": true}, shipped: map[string]int{}}
	backend, err := openBackend(ctx, b, dir, log)
	if err != nil {
		return nil, err
	}
	s.service, err = asyncevents.New(backend, s.ship, &asyncevents.Config{
		Policy: retry.Policy{MaxAttempts: 3, InitialBackoff: 50 * time.Millisecond}, Logger: log,
	})
	if err != nil {
		return nil, errors.Join(err, backend.Close())
	}
	s.backend = backend
	return s, nil
}

// openBackend has JetStream carry the events, and SQLite keep everything else.
func openBackend(ctx context.Context, b *bus, dir string, log *slog.Logger) (*asyncevents.Backend, error) {
	store, err := sqlite.Open(ctx, filepath.Join(dir, "events.db"), nil)
	if err != nil {
		return nil, err
	}
	backend, err := foreign.New(b.publisher, b.subscriber, store, &foreign.Config{
		Name: "nats", Waiting: b.waiting, Ping: b.ping, Logger: log,
	})
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return backend, nil
}

// ship is the processor.
func (s *shop) ship(_ context.Context, event asyncevents.Event) (any, error) {
	var p parcel
	if err := json.Unmarshal(event.Data, &p); err != nil {
		return nil, retry.Permanent(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.roads[p.City] {
		return nil, fmt.Errorf("%s: %w", p.City, errNoRoad)
	}
	s.shipped[p.City]++
	return map[string]string{"shipped": p.City}, nil
}

// build builds a road.
func (s *shop) build(city string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.roads[city] = true
}

// count is how often something was shipped to a city.
func (s *shop) count(city string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shipped[city]
}
