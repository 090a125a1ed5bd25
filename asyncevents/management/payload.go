package management

import (
	"encoding/base64"
	"unicode/utf8"

	"github.com/redrive-go/redrive/internal/indent"
)

const (
	// previewSize is how many bytes of a payload a list shows: a page of large ones would not load on a phone. Fifty of them, with
	// their quotes escaped, are half of the 200 KB that the first page may have.
	previewSize = 1 << 10
	// wholeSize is how many bytes of a payload its own page shows before somebody asks for all of it.
	wholeSize = 64 << 10
)

// payloadView is a payload as a page shows it: as text, whatever it is.
type payloadView struct {
	// Text is JSON indented, other text as it is, and anything else in base64.
	Text string
	// Binary is whether Text is base64.
	Binary bool
	// Cut is whether Text is only the beginning.
	Cut bool
	// Size is the payload's length in bytes.
	Size int
}

func newPayloadView(payload []byte) payloadView {
	view := payloadView{Size: len(payload)}
	if !utf8.Valid(payload) {
		view.Binary, view.Text = true, base64.StdEncoding.EncodeToString(payload)
		return view
	}
	var ok bool
	if view.Text, ok = indent.JSON(payload); !ok {
		view.Text = string(payload)
	}
	return view
}

// newPayloadPreview is the view of a payload's beginning.
func newPayloadPreview(payload []byte) payloadView { return cutPayloadView(payload, previewSize) }

// cutPayloadView is the beginning of a view, limit bytes of its text at most. Of a payload that is large no more is read than it takes,
// so what is JSON is not indented there.
func cutPayloadView(payload []byte, limit int) payloadView {
	view := newPayloadView(payload[:wholeRunes(payload, max(limit, wholeSize))])
	if end := wholeRunes(view.Text, limit); end < len(view.Text) {
		view.Text, view.Cut = view.Text[:end], true
	}
	view.Cut, view.Size = view.Cut || len(payload) > max(limit, wholeSize), len(payload)
	return view
}

// entryPayload is a payload on the page of its entry: as text, and as a tree where it is JSON, unless it is too large for either.
type entryPayload struct {
	payloadView
	Tree []treePart
}

// newEntryPayload shows the beginning of a large payload, unless all of it is asked for.
func newEntryPayload(payload []byte, all bool) entryPayload {
	shown := entryPayload{payloadView: newPayloadView(payload)}
	if !all {
		shown.payloadView = cutPayloadView(payload, wholeSize)
	}
	if !shown.Cut {
		shown.Tree = newTree(payload)
	}
	return shown
}

// wholeRunes is the largest number of bytes up to limit that does not end within a character.
func wholeRunes[text string | []byte](s text, limit int) int {
	if len(s) <= limit {
		return len(s)
	}
	for back := range utf8.UTFMax {
		if utf8.RuneStart(s[limit-back]) {
			return limit - back
		}
	}
	return limit
}
