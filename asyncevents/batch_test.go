package asyncevents

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const batchPath = eventsPath + "/batch"

func (d *desk) postBatch(contentType, body string) (status int, answer string) {
	w := d.do(http.MethodPost, batchPath, strings.NewReader(body), "Content-Type", contentType)
	return w.Code, w.Body.String()
}

func TestBatchHasOneResultAnEvent(t *testing.T) {
	t.Parallel()
	const taken, refused = `{"correlation_id":"id-1","status":"queued"}`, `{"error":{"type":"BadRequestException","code":203400,`
	for contentType, body := range map[string]string{
		"application/json":                   "[{\"a\":1},\n 5 , {\"b\":[2]}]",
		"application/json; charset=utf-8":    `[{"a":1},"x",{"b":[2]}]`,
		"application/x-ndjson":               "{\"a\":1}\n\n[]\r\n{\"b\":[2]}",
		"Application/X-NDJSON;charset=UTF-8": "{\"a\":1}\n{\"x\":1,\"x\":1}\n \n{\"b\":[2]}\n",
	} {
		d := newDesk(t)
		status, answer := d.postBatch(contentType, body)
		require.Equal(t, http.StatusAccepted, status, "%s: %s", contentType, answer)
		assert.True(t, strings.HasPrefix(answer, `{"status":"success","metadata":{},"payload":{"results":[`+taken+","+refused), answer)
		assert.True(t, strings.HasSuffix(answer, "}},"+taken+"]}}"), answer)
		assert.Equal(t, [][]byte{[]byte(`{"a":1}`), []byte(`{"b":[2]}`)}, d.intake.bodies, "byte for byte")
	}
}

func TestBatchRefuses(t *testing.T) {
	t.Parallel()
	many := strings.Repeat(",{}", MaxBatch)
	for body, status := range map[string]int{
		"": 400, "{}": 400, "[": 400, "[]": 400, "[{}": 400, "[{}]x": 400, "[{}][]": 400, "[{},]": 400, "[{} {}]": 400, "null": 400,
		`[{"a":1,"a":2}]`: 400, "[{\"a\":\"\xff\"}]": 400,
		"[" + nested(maxDepth+1) + "]":        400,
		"[" + many[1:] + "]":                  202,
		"[{}" + many + "]":                    413,
		"[" + strings.Repeat(" ", 4094) + "]": 400,
		"[" + strings.Repeat(" ", 4095) + "]": 413,
		"[" + nested(maxDepth) + "]":          202,
		strings.Repeat("[", 2000):             400,
	} {
		got, answer := newDesk(t).postBatch("application/json", body)
		assert.Equal(t, status, got, "%.50s: %s", body, answer)
	}
	for body, status := range map[string]int{
		"": 400, "\n \n": 400, strings.Repeat("{}\n", MaxBatch): 202, strings.Repeat("{}\n", MaxBatch+1): 413,
	} {
		got, answer := newDesk(t).postBatch("application/x-ndjson", body)
		assert.Equal(t, status, got, "%.50s: %s", body, answer)
	}
	status, _ := newDesk(t).postBatch("text/plain", "[{}]")
	assert.Equal(t, http.StatusUnsupportedMediaType, status)
	assert.Equal(t, http.StatusUnsupportedMediaType, newDesk(t).post("{}", "Content-Type", "application/x-ndjson").Code)
	w := newDesk(t).do(http.MethodGet, batchPath, nil)
	assert.Equal(t, http.StatusMethodNotAllowed, w.Code)
	assert.Equal(t, "POST", w.Header().Get("Allow"))
}
