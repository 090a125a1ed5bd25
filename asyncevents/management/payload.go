package management

import (
	"encoding/base64"
	"unicode/utf8"

	"github.com/redrive-go/redrive/internal/indent"
)

// previewSize is how many bytes of a payload a list shows: a page of large ones would not load on a phone.
const previewSize = 4 << 10

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
func newPayloadPreview(payload []byte) payloadView {
	view := newPayloadView(payload[:wholeRunes(payload, previewSize)])
	view.Cut, view.Size = len(payload) > previewSize, len(payload)
	return view
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
