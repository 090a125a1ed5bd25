package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/redrive-go/redrive/retry"
)

const (
	selectSettings = `SELECT value FROM {settings} WHERE id = 1`
	insertSettings = `{insert new} INTO {settings} (id, value) VALUES (1, '') {if new}`
	updateSettings = `UPDATE {settings} SET value = ? WHERE id = 1`
)

// Settings implements retry.Store.
func (s *Jobs) Settings(ctx context.Context) (settings retry.Settings, err error) {
	var text string
	err = s.db.Read(ctx, func(t Tx) error { return One(t, []any{&text}, selectSettings) })
	if errors.Is(err, sql.ErrNoRows) {
		return retry.DefaultSettings(), nil
	}
	if err == nil {
		settings = retry.DefaultSettings()
		err = json.Unmarshal([]byte(text), &settings)
	}
	if err != nil {
		return retry.Settings{}, fmt.Errorf("%s: read the settings: %w", s.dialect.Name(), err)
	}
	return settings, nil
}

// SaveSettings implements retry.Store.
func (s *Jobs) SaveSettings(ctx context.Context, settings retry.Settings) error {
	text, err := json.Marshal(settings)
	if err == nil {
		err = s.db.Write(ctx, func(t Tx) error {
			if _, err := t.Exec(insertSettings); err != nil {
				return err
			}
			_, err := t.Exec(updateSettings, string(text))
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("%s: save the settings: %w", s.dialect.Name(), err)
	}
	return nil
}
