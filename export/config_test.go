package export_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/export"
)

func TestConfig_Validate(t *testing.T) {
	t.Parallel()
	var none *export.Config
	require.NoError(t, none.Validate())
	require.NoError(t, (&export.Config{}).Validate())
	require.NoError(t, (&export.Config{Lease: export.MinLease, PollInterval: 1}).Validate())

	err := (&export.Config{Lease: time.Millisecond, PollInterval: -1}).Validate()
	require.ErrorContains(t, err, "Lease must be at least 100ms, not 1ms")
	assert.ErrorContains(t, err, "PollInterval must be positive, not -1ns")
}
