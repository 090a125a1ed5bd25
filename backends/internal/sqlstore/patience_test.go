package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPatience(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var p patience
		hang := func(ctx context.Context) error {
			<-ctx.Done()
			return fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
		}
		for _, want := range []time.Duration{longPatience, shortPatience, longPatience, shortPatience} {
			began := time.Now()
			require.ErrorIs(t, p.within(hang), ErrUnavailable)
			assert.Equal(t, want, time.Since(began))
		}
		require.ErrorIs(t, p.within(hang), ErrUnavailable)
		require.NoError(t, p.within(func(context.Context) error { return nil }))
		refuse := func(context.Context) error { return ErrUnavailable }
		require.ErrorIs(t, p.within(refuse), ErrUnavailable)
		began := time.Now()
		require.Error(t, p.within(hang))
		assert.Equal(t, longPatience, time.Since(began), "a refusal at once keeps nobody waiting")
		assert.Less(t, longPatience+shortPatience, 5*time.Second)
		require.EqualError(t, p.within(func(context.Context) error { return errors.New("bad row") }), "bad row")
	})
}
