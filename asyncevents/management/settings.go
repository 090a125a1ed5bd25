package management

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/redrive-go/redrive/retry"
)

// Fields of the settings, in JSON and in the form.
const (
	fieldBatch    = "batch_size"
	fieldCooldown = "cooldown_minutes"
	fieldTrips    = "max_round_trips"
)

var settingsRoutes = routes{
	{method: http.MethodGet, pattern: "settings", action: ActionView, serve: settingsPage},
	{method: http.MethodPost, pattern: "settings", action: ActionConfigure, audit: "configure", serve: saveSettings,
		back: "settings", done: flashSettingsSaved},

	{method: http.MethodGet, pattern: "api/settings", action: ActionView, serve: getSettings},
	{method: http.MethodPut, pattern: "api/settings", action: ActionConfigure, audit: "configure",
		fields: []string{fieldBatch, fieldCooldown, fieldTrips}, serve: saveSettings},
}

func getSettings(c *call) (answer, error) {
	settings, err := c.jobs.Settings(c.r.Context())
	return jsonAnswer{http.StatusOK, settings}, err
}

// quarantine is from how many redrives on entries are quarantined; 0 for never.
func (c *call) quarantine() (redrives int, err error) {
	settings, err := c.jobs.Settings(c.r.Context())
	return settings.MaxRoundTrips, err
}

// settingsView is the settings with the limits that the form tells.
type settingsView struct {
	retry.Settings
	MinBatch, MaxBatch, MaxCooldown, MostTrips int
}

func settingsPage(c *call) (answer, error) {
	settings, err := c.jobs.Settings(c.r.Context())
	if err != nil {
		return nil, err
	}
	view := settingsView{settings, retry.MinBatchSize, retry.MaxBatchSize, retry.MaxCooldownMinutes, retry.MaxRoundTrips}
	return c.page(http.StatusOK, "settings", "Settings", view), nil
}

func saveSettings(c *call) (answer, error) {
	fields, err := c.settingsFields()
	if err != nil {
		return nil, err
	}
	present, err := c.jobs.Settings(c.r.Context())
	if err != nil {
		return nil, err
	}
	settings, err := decodeSettings(fields, present)
	if err != nil {
		return nil, newSettingsProblem(err)
	}
	c.row.Detail = fmt.Sprintf("batch_size %d, cooldown_minutes %g", settings.BatchSize, settings.CooldownMinutes)
	if settings.MaxRoundTrips != present.MaxRoundTrips {
		c.row.Detail += fmt.Sprintf(", max_round_trips %d", settings.MaxRoundTrips)
	}
	return jsonAnswer{http.StatusOK, settings}, c.jobs.SaveSettings(c.r.Context(), settings)
}

// settingsFields returns the fields of a JSON body; or of a form, whose texts are the same numbers.
func (c *call) settingsFields() (object, error) {
	if c.isAPI() {
		return c.fields, nil
	}
	fields := object{}
	for _, name := range []string{fieldBatch, fieldCooldown, fieldTrips} {
		text, err := c.input(name)
		if err != nil {
			return nil, err
		}
		if text != "" || name != fieldTrips {
			fields[name] = jsontext.Value(strings.TrimSpace(text))
		}
	}
	return fields, nil
}

// decodeSettings returns valid settings, or every fault. Batch size and cooldown are required: saving replaces them. The cap on round
// trips stays as it is where a client that does not know it says nothing.
func decodeSettings(fields object, present retry.Settings) (retry.Settings, error) {
	settings := retry.Settings{MaxRoundTrips: present.MaxRoundTrips}
	faults := errors.Join(
		decodeNumber(fields, fieldBatch, "a whole number", &settings.BatchSize),
		decodeNumber(fields, fieldCooldown, "a number", &settings.CooldownMinutes))
	if _, given := fields[fieldTrips]; given {
		faults = errors.Join(faults, decodeNumber(fields, fieldTrips, "a whole number", &settings.MaxRoundTrips))
	}
	if faults != nil {
		return retry.Settings{}, faults
	}
	return settings, settings.Validate()
}

// decodeNumber decodes one field into target. json.Unmarshal would take null for "leave it as it is".
func decodeNumber(fields object, name, kind string, target any) error {
	raw := fields[name]
	if len(raw) == 0 || string(raw) == "null" {
		return fmt.Errorf("%s is required", name)
	}
	if err := json.Unmarshal(raw, target); err != nil {
		return fmt.Errorf("%s must be %s", name, kind)
	}
	return nil
}
