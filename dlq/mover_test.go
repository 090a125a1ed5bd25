package dlq_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/dlq"
)

func TestManager_Below(t *testing.T) {
	t.Parallel()
	for criteria, want := range map[string]string{
		"":                               `{"max_redrives":2}`,
		`{"error":"x"}`:                  `{"error":"x","max_redrives":2}`,
		`{"max_redrives":7}`:             `{"max_redrives":2}`,
		`{"max_redrives":1,"error":"x"}`: `{"max_redrives":1,"error":"x"}`,
	} {
		got, err := (&dlq.Manager{}).Below(criteria, 3)
		require.NoError(t, err)
		assert.JSONEq(t, want, got)
	}
	_, err := (&dlq.Manager{}).Below("{", 3)
	assert.Error(t, err)
}
