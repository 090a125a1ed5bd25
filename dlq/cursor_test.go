package dlq_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/dlq"
)

func FuzzCursor(f *testing.F) {
	for _, seed := range []string{"", "Mg", "MA", "!", "LTE", "MDI", "Mg==", "eA"} {
		f.Add(seed)
	}
	m := dlq.NewManager(&fake{entries: []dlq.Entry{{ID: 2, Queue: "events"}, {ID: 3, Queue: "events"}}}, quiet)
	f.Fuzz(func(t *testing.T, cursor string) {
		page, err := m.List(t.Context(), "events", dlq.Query{Cursor: cursor, Limit: 1})
		if err != nil {
			require.ErrorIs(t, err, dlq.ErrBadCursor)
			return
		}
		if cursor == "Mg" { // after 2
			assert.Equal(t, int64(3), page.Entries[0].ID)
		}
	})
}

func TestCursorRefused(t *testing.T) {
	t.Parallel()
	m := dlq.NewManager(&fake{}, quiet)
	for _, cursor := range []string{"MA", "LTE", "MDI", "Mg==", "!", "eA", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5"} {
		_, err := m.List(t.Context(), "events", dlq.Query{Cursor: cursor})
		require.ErrorIs(t, err, dlq.ErrBadCursor, cursor)
	}
}
