package apart

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/redrive-go/redrive/asyncevents"
)

func TestLookTwice(t *testing.T) {
	t.Parallel()
	some, nothing := asyncevents.Backlog{Ready: 1}, asyncevents.Backlog{}
	type look struct {
		total asyncevents.Backlog
		err   error
	}
	failed := errors.New("away")
	for _, c := range []struct {
		name  string
		looks []look
	}{
		{"what is there is counted once", []look{{some, nil}}},
		{"what moved in between is found", []look{{nothing, nil}, {some, nil}}},
		{"nothing twice is nothing", []look{{nothing, nil}, {nothing, nil}}},
		{"who cannot look has not seen nothing", []look{{nothing, failed}}},
		{"nor the second time", []look{{nothing, nil}, {nothing, failed}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			looked := 0
			total, err := LookTwice(func(_ context.Context, topic string) (asyncevents.Backlog, error) {
				assert.Equal(t, "topic", topic)
				looked++
				return c.looks[looked-1].total, c.looks[looked-1].err
			})(t.Context(), "topic")
			last := c.looks[len(c.looks)-1]
			assert.Equal(t, last.err, err)
			assert.Equal(t, last.total, total)
			assert.Equal(t, len(c.looks), looked)
		})
	}
}
