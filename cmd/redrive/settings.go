package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"net/http"
	"strconv"
)

var settingsCommand = command{
	name: "settings", about: "Show or change how fast retry jobs go, and what they leave alone",
	details: "They are those of both DLQs. A running job follows at its next batch. What is not given stays as it is.",
	prepare: func(f *flag.FlagSet) action {
		var change settingsChange
		f.Func("batch-size", "move so many `entries` at a time", func(text string) error {
			n, err := strconv.ParseInt(text, 10, 64)
			change.batchSize = &n
			return notNumber(err, "a whole number")
		})
		f.Func("cooldown", "wait so many `minutes` between two batches, fractions allowed", func(text string) error {
			n, err := strconv.ParseFloat(text, 64)
			change.cooldown = &n
			return notNumber(err, "a number of minutes")
		})
		f.Func("max-round-trips", "quarantine what came back after so many `redrives`; 0 means never", func(text string) error {
			n, err := strconv.ParseInt(text, 10, 64)
			change.maxRoundTrips = &n
			return notNumber(err, "a whole number")
		})
		return func(ctx context.Context, s *session, _ []string) error { return s.settings(ctx, change) }
	},
}

func notNumber(err error, want string) error {
	if err != nil {
		return errors.New("it must be " + want)
	}
	return nil
}

// settingsChange is what is to be another; nil stays.
type settingsChange struct {
	batchSize     *int64
	cooldown      *float64
	maxRoundTrips *int64
}

// settings are those of retry jobs.
type settings struct {
	BatchSize       int64   `json:"batch_size"`
	CooldownMinutes float64 `json:"cooldown_minutes"`
	MaxRoundTrips   int64   `json:"max_round_trips"`
}

func (s *session) settings(ctx context.Context, change settingsChange) error {
	raw, err := s.client.call(ctx, settingsRequest(http.MethodGet, nil))
	if err != nil {
		return err
	}
	if change != (settingsChange{}) {
		if raw, err = s.saveSettings(ctx, raw, change); err != nil {
			return err
		}
	}
	if s.json() {
		return s.printJSON(raw)
	}
	now, err := decode[settings](raw)
	if err != nil {
		return err
	}
	facts := [][]string{
		{"batch size", number(now.BatchSize)},
		{"cooldown", strconv.FormatFloat(now.CooldownMinutes, 'g', -1, 64) + " min"},
	}
	if now.MaxRoundTrips > 0 {
		facts = append(facts, []string{"quarantine after", number(now.MaxRoundTrips) + " round trips"})
	}
	s.facts(facts)
	return nil
}

// saveSettings replaces the settings: the call takes all of them.
func (s *session) saveSettings(ctx context.Context, before json.RawMessage, change settingsChange) (json.RawMessage, error) {
	next, err := decode[settings](before)
	if err != nil {
		return nil, err
	}
	if change.batchSize != nil {
		next.BatchSize = *change.batchSize
	}
	if change.cooldown != nil {
		next.CooldownMinutes = *change.cooldown
	}
	fields := map[string]any{"batch_size": next.BatchSize, "cooldown_minutes": next.CooldownMinutes}
	if change.maxRoundTrips != nil {
		fields["max_round_trips"] = *change.maxRoundTrips
	}
	return s.client.call(ctx, settingsRequest(http.MethodPut, fields))
}

func settingsRequest(method string, fields map[string]any) *request {
	return &request{method: method, path: []string{"settings"}, fields: fields}
}
