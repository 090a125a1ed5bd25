package asyncevents

import _ "embed"

// openAPIName is the last segment of the path at which the description is served.
const openAPIName = "openapi.yaml"

//go:embed openapi.yaml
var openAPI []byte
