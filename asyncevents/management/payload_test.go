package management

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"

	"github.com/redrive-go/redrive/dlq"
)

func TestPayloadView(t *testing.T) {
	t.Parallel()
	tests := map[string]payloadView{
		`{"a":[1]}`:   {Text: "{\n  \"a\": [\n    1\n  ]\n}", Size: 9},
		`not json {`:  {Text: "not json {", Size: 10},
		"\xff\x00":    {Text: "/wA=", Binary: true, Size: 2},
		"":            {},
		"\"é\" trail": {Text: "\"é\" trail", Size: 10},
	}
	for payload, want := range tests {
		assert.Equal(t, want, newPayloadView([]byte(payload)), payload)
	}
}

// TestDeepPayloadsStaySmall guards against indentation that grows with the square of the depth.
func TestDeepPayloadsStaySmall(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 9000) + strings.Repeat("]", 9000)
	assert.Len(t, newPayloadView([]byte(deep)).Text, len(deep))
}

// TestLargePayloadsAreShownAllOnRequest shows the beginning of a large payload, and the way to all of it.
func TestLargePayloadsAreShownAllOnRequest(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.add("small", `{"short":true}`)
	b.add("large", `{"text":"`+strings.Repeat("x", wholeSize)+`END"}`)
	list := b.do(http.MethodGet, "queues/events", "").text
	assert.Equal(t, 1, strings.Count(list, `entries/2#payload">Show all</a>`))
	assert.NotContains(t, list, "END")
	assert.NotContains(t, b.do(http.MethodGet, "queues/events/entries/1", "").text, "Show all")
	page := b.do(http.MethodGet, "queues/events/entries/2", "").text
	assert.Contains(t, page, `entries/2?all=1#payload">Show all</a>`)
	assert.Contains(t, page, "65,550 bytes")
	assert.NotContains(t, page, "END")
	page = b.do(http.MethodGet, "queues/events/entries/2?all=1", "").text
	assert.NotContains(t, page, "Show all")
	assert.Equal(t, 2, strings.Count(page, "END"), "in the tree and as text")
}

// TestFirstPageIsSmall fills the first page with payloads as large and as full of quotes as those of a code host's webhooks, under the
// longest filter that one types.
func TestFirstPageIsSmall(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	for i := range dlq.DefaultPage + 1 {
		b.addEntry(dlq.Entry{
			MessageID: fmt.Sprint("0192f5c4-7b7e-7c3a-9d5c-0000000000", i), Payload: []byte(`{` + strings.Repeat(`"ab":"cd",`, 800) + `"a":1}`),
			Failure: dlq.Failure{Type: "*url.Error", Message: strings.Repeat("connection refused ", 20) + fmt.Sprint(i)},
		})
	}
	for _, query := range []string{"", "?error=refused&action=&from=2026-01-01T00:00:00Z"} {
		page := b.do(http.MethodGet, "queues/events"+query, "")
		assert.Equal(t, dlq.DefaultPage, strings.Count(page.text, ">Show all</a></p>"))
		assert.LessOrEqual(t, len(page.text), 200_000)
	}
}

func TestAgo(t *testing.T) {
	t.Parallel()
	for ago, want := range map[time.Duration]string{
		time.Second: "less than a minute ago", 61 * time.Second: "1 min ago", 119*time.Minute + 30*time.Second: "119 min ago",
		2*time.Hour + time.Minute: "2 hours ago", 49 * time.Hour: "2 days ago",
	} {
		assert.Equal(t, want, agoText(time.Now().Add(-ago)))
	}
}

func TestPayloadPreviewIsCutBetweenCharacters(t *testing.T) {
	t.Parallel()
	for shift := range 4 {
		long := strings.Repeat("x", shift) + strings.Repeat("😀", previewSize)
		view := newPayloadPreview([]byte(long))
		assert.True(t, view.Cut)
		assert.False(t, view.Binary)
		assert.True(t, utf8.ValidString(view.Text))
		assert.LessOrEqual(t, len(view.Text), previewSize)
		assert.Equal(t, len(long), view.Size)
	}
	binary := newPayloadPreview([]byte(strings.Repeat("\x80", previewSize+1)))
	assert.True(t, binary.Binary)
	assert.False(t, newPayloadPreview([]byte(`{"a":1}`)).Cut)
	assert.Equal(t, strings.Repeat("é", excerptSize/2)+"…", excerpt(strings.Repeat("é", 500)))
}
