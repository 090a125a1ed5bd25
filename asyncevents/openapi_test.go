package asyncevents

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func loadOpenAPI(t *testing.T) *openapi3.T {
	t.Helper()
	document, err := openapi3.NewLoader().LoadFromData(openAPI)
	require.NoError(t, err)
	require.NoError(t, document.Validate(t.Context()))
	return document
}

func TestOpenAPIIsServed(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	w := d.do(http.MethodGet, eventsPath+"/openapi.yaml", nil)
	require.Equal(t, http.StatusOK, w.Code)
	assert.Equal(t, "application/yaml", w.Header().Get("Content-Type"))
	assert.Equal(t, openAPI, w.Body.Bytes())
	assert.Zero(t, d.do(http.MethodHead, eventsPath+"/openapi.yaml", nil).Body.Len())
}

// Every path and method of the description is one of the handler's, and its refusals are described.
func TestOpenAPIDescribesTheHandler(t *testing.T) {
	t.Parallel()
	document, d := loadOpenAPI(t), newDesk(t)
	assert.Equal(t, 4, document.Paths.Len())
	bodies := map[string]string{batchPath: `[{}]`}
	for path, item := range document.Paths.Map() {
		for method, operation := range item.Operations() {
			w := d.do(method, strings.Replace(path, "{correlation_id}", "id-1", 1), strings.NewReader(cmp.Or(bodies[path], `{}`)))
			assert.NotNil(t, operation.Responses.Value(strconv.Itoa(w.Code)), "%s %s: %d", method, path, w.Code)
			assert.Less(t, w.Code, 300, "%s %s", method, path)
		}
	}
}

// What the description says of null holds: it is as good as nothing.
func TestOpenAPITakesNulls(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, body := range []string{
		`{"customer":null,"action":null,"data":null,"callback_url":null,"correlation_id":null,"more":null}`,
		`{"data":{"callback_url":null}}`,
	} {
		assert.Equal(t, http.StatusAccepted, d.post(body).Code, body)
	}
}

func TestOpenAPIListsEveryCode(t *testing.T) {
	t.Parallel()
	codes := loadOpenAPI(t).Components.Schemas["Error"].Value.Properties["error"].Value.Properties["code"].Value.Description
	for _, problem := range []*Problem{
		newMalformedProblem(""), newEmptyPropertyProblem(""), newInvalidActionProblem(""), newInvalidPropertyProblem(""),
		newUnauthorizedProblem(), newNotFoundProblem(), newMethodProblem(""), newTooLargeProblem(0), newMediaTypeProblem(""),
		newConflictProblem(), newTooManyRequestsProblem(0), newUnavailableProblem(0),
	} {
		row := "| " + strconv.Itoa(problem.HTTPStatus) + " | " + strconv.Itoa(problem.Code) + " | " + problem.Type + " |"
		assert.Contains(t, codes, row)
	}
}

// What the handler answers is what the description says.
func TestOpenAPISchemasFit(t *testing.T) {
	t.Parallel()
	document, d := loadOpenAPI(t), newDesk(t)
	d.intake.record.Callback = CallbackRecord{Status: CallbackFailed, Attempts: 5}
	d.intake.record.Response = raw(`{"success":[],"error":{"type":"T","code":1,"message":"m"}}`)
	for schema, answer := range map[string]string{
		"Accepted":     d.post(`{}`).Body.String(),
		"StatusAnswer": d.do(http.MethodGet, eventsPath+"/id-1", nil).Body.String(),
		"Error":        d.post(`[]`).Body.String(),
	} {
		var value any
		require.NoError(t, json.Unmarshal([]byte(answer), &value))
		assert.NoError(t, document.Components.Schemas[schema].Value.VisitJSON(value), schema)
	}
}
