package management

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestDescriptionIsComplete holds that openapi.yaml names every call of the API, every parameter and every code, and
// nothing else.
func TestDescriptionIsComplete(t *testing.T) {
	t.Parallel()
	doc, _ := description()
	require.NoError(t, doc.Validate(t.Context()))
	described := map[string]bool{}
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			described[method+" api"+path] = true
		}
	}
	for _, route := range allRoutes() {
		path, isAPI := strings.CutPrefix(route.pattern, "api")
		if !isAPI {
			continue
		}
		call := route.method + " " + route.pattern
		assert.True(t, described[call], call)
		delete(described, call)
		operation := doc.Paths.Value(path).GetOperation(route.method)
		for _, name := range route.params {
			assert.NotNil(t, operation.Parameters.GetByInAndName("query", name), "%s: %s", call, name)
		}
	}
	assert.Empty(t, described)
	for _, known := range knownErrors {
		assert.Contains(t, doc.Info.Description, strconv.Itoa(known.problem.Code))
	}
	for _, code := range []int{CodeUnsupported, CodeInvalidSettings, CodeForbidden, CodeCrossOrigin, CodePathNotFound,
		CodeQueueNotFound, CodeCountDiffers, newUnauthorizedProblem().Code, newTooLargeProblem(maxBody).Code, CodeBadImport,
		newUnavailableProblem().Code, problemOf(newMethodProblem(nil)).Code} {
		assert.Contains(t, doc.Info.Description, strconv.Itoa(code))
	}
}

func TestDescriptionIsServed(t *testing.T) {
	t.Parallel()
	b := newBundle(t, nil)
	got := b.do(http.MethodGet, "api/openapi.yaml", "")
	assert.Equal(t, "application/yaml", got.Header().Get("Content-Type"))
	assert.Equal(t, string(openAPI), got.text)
}

// TestAuditActionsAreDescribed holds the enumeration of the audit log's actions against the routes.
func TestAuditActionsAreDescribed(t *testing.T) {
	t.Parallel()
	doc, _ := description()
	described := doc.Components.Schemas["AuditRow"].Value.Properties["action"].Value.Enum
	for _, route := range allRoutes() {
		if route.changes() {
			assert.Contains(t, described, any(route.audit))
		}
	}
}
