package management

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/retry"
)

func TestTree(t *testing.T) {
	t.Parallel()
	assert.Equal(t, []treePart{
		{Name: "b", Value: "1.0"}, {Name: "a", Value: `"x"`}, {Name: "a", Value: "null"},
		{Name: "list", Parts: []treePart{{Name: "0", Value: "true"}, {Name: "1", Value: "{}"}, {Name: "2", Value: "[]"}}},
	}, newTree([]byte(`{"b":1.0,"a":"x","a":null,"list":[true,{},[]]}`)), "in order, twice where it stands twice, and as it is")
	for _, none := range []string{"", "text", "1", `{"a":`, `{"a":1`, "[1,,2]", "\xff", strings.Repeat("[", 25) + strings.Repeat("]", 25),
		"[" + strings.Repeat("1,", maxTreeParts) + "1]"} {
		assert.Nil(t, newTree([]byte(none)), "%.20q", none)
	}
}

// TestEntryPageShowsRequestAndAnswer shows a callback as it was sent, and what came back.
func TestEntryPageShowsRequestAndAnswer(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	b.addEntry(dlq.Entry{Queue: "callbacks", MessageID: "one", Payload: []byte(`{"url":"https://hooks.example/1","body":{"n":1}}`),
		Attempts: retry.History{{Number: 1, Error: "down", ResponseStatus: 503, ResponseBody: "maintenance"}}})
	page := b.do(http.MethodGet, "queues/callbacks/entries/1", "").text
	assert.Contains(t, page, "Payload: the callback&#39;s request")
	assert.Contains(t, page, "<code>&#34;https://hooks.example/1&#34;</code>")
	assert.Contains(t, page, "<summary>body ")
	assert.Contains(t, page, "Answered with 503")
	assert.Contains(t, page, "maintenance")
	b.authorize = butFor(ActionViewPayload)
	assert.NotContains(t, b.do(http.MethodGet, "queues/callbacks/entries/1", "").text, "hooks.example")
}
