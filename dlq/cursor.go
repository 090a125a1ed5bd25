package dlq

import (
	"encoding/base64"
	"strconv"
)

// formatCursor returns the cursor of the page that follows the entry with that id.
func formatCursor(id int64) string {
	return base64.RawURLEncoding.EncodeToString(strconv.AppendInt(nil, id, 10))
}

// parseCursor reads what formatCursor wrote; the empty cursor is the first page. Anything else is ErrBadCursor.
func parseCursor(cursor string) (int64, error) {
	if cursor == "" {
		return 0, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return 0, ErrBadCursor
	}
	id, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil || id <= 0 || formatCursor(id) != cursor {
		return 0, ErrBadCursor
	}
	return id, nil
}
