package retry_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/retry"
)

func TestPermanent(t *testing.T) {
	t.Parallel()
	cause := errors.New("no such card")
	err := fmt.Errorf("charge: %w", retry.Permanent(cause))
	assert.True(t, retry.IsPermanent(err))
	require.ErrorIs(t, err, cause)
	require.EqualError(t, err, "charge: no such card")
	assert.True(t, retry.IsPermanent(errors.Join(errors.New("other"), err)))
	assert.False(t, retry.IsPermanent(cause))
	assert.False(t, retry.IsPermanent(nil))
	require.NoError(t, retry.Permanent(nil))
}

func TestAfter(t *testing.T) {
	t.Parallel()
	cause := errors.New("busy")
	err := retry.After(time.Minute, cause)
	require.ErrorIs(t, err, cause)
	require.EqualError(t, err, "busy")
	require.NoError(t, retry.After(time.Minute, nil))
	tests := map[string]struct {
		err  error
		want time.Duration
	}{
		"asked":                 {fmt.Errorf("charge: %w", err), time.Minute},
		"asked twice, longer":   {retry.After(time.Hour, err), time.Hour},
		"asked twice, shorter":  {retry.After(time.Second, fmt.Errorf("x: %w", err)), time.Minute},
		"among joined":          {errors.Join(retry.After(2*time.Second, cause), err), time.Minute},
		"negative":              {retry.After(-time.Minute, cause), time.Millisecond},
		"permanent all the way": {retry.After(time.Minute, retry.Permanent(cause)), 0},
	}
	for name, test := range tests {
		wait, again := retry.Fixed(time.Millisecond).Next(1, test.err)
		assert.Equal(t, test.want, wait, name)
		assert.Equal(t, test.want > 0, again, name)
	}
}
