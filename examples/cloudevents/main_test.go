package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStory(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out))
	assert.Equal(t, `binary: 202 Accepted
  processed: {"success":"Zoë bought {\"what\":\"tea\"} (1 from /shop, application/json)","error":[]}
binary, again: 202 Accepted, and nothing was added
  processed: {"success":"Zoë bought {\"what\":\"tea\"} (1 from /shop, application/json)","error":[]}
structured: 202 Accepted
  processed: {"success":"Zoë bought \u003ccake/\u003e (2 from /shop, application/xml)","error":[]}
batch: 202 Accepted
  processed: {"success":"Zoë bought \u003ccake/\u003e (2 from /shop, application/xml)","error":[]}
  processed: {"success":"Zoë bought milk (3 from /shop, text/plain)","error":[]}
`, out.String())
}
