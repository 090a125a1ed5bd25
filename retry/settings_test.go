package retry_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/retry"
)

func TestSettingsValidate(t *testing.T) {
	t.Parallel()
	require.NoError(t, retry.DefaultSettings().Validate())
	tests := []struct {
		batch    int
		cooldown float64
		fault    string
	}{
		{1, 0, ""}, {100_000, 1440, ""}, {10, 0.05, ""},
		{0, 1, "batch_size must be 1 to 100000"}, {100_001, 1, "batch_size"}, {-1, 1, "batch_size"},
		{1, -0.1, "cooldown_minutes must be 0 to 1440"}, {1, 1440.5, "cooldown_minutes"},
		{1, math.NaN(), "cooldown_minutes"}, {1, math.Inf(1), "cooldown_minutes"}, {1, math.Inf(-1), "cooldown_minutes"},
	}
	for _, test := range tests {
		err := retry.Settings{BatchSize: test.batch, CooldownMinutes: test.cooldown}.Validate()
		if test.fault == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, test.fault)
	}
	err := retry.Settings{BatchSize: 0, CooldownMinutes: -1}.Validate()
	require.ErrorContains(t, err, "batch_size")
	require.ErrorContains(t, err, "cooldown_minutes")
}

func TestSettingsCooldown(t *testing.T) {
	t.Parallel()
	assert.Equal(t, 30*time.Second, retry.Settings{CooldownMinutes: 0.5}.Cooldown())
	assert.Equal(t, 24*time.Hour, retry.Settings{CooldownMinutes: retry.MaxCooldownMinutes}.Cooldown())
}
