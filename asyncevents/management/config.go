package management

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"strings"

	"github.com/redrive-go/redrive/dlq"
)

// Config configures the Handler. Nil and the zero value mean the documented defaults.
type Config struct {
	// Logger gets what went wrong: store errors with the route, audit rows that could not be written, panics of the
	// Authorizer, failures of Redact. It never gets payloads or secrets. Defaults to slog.Default().
	Logger *slog.Logger
	// Title is the name on every page. Defaults to "Redrive".
	Title string
	// Base is the path prefix under which the handler is mounted without being stripped, such as "/manage". Paths that
	// do not begin with it are taken as stripped already. "/" means that there is nothing to strip.
	//
	// Without it, the prefix is read from http.Request.Pattern, which http.ServeMux and chi (from 5.2) set. It is needed
	// for routers that do not. Links in pages are relative and need neither. Defaults to detecting the prefix.
	Base string
	// Redact returns what is shown of an entry's payload, in the API and on the pages, to whoever may see payloads. The
	// entry is as it stands in the DLQ; its Payload may be changed in place and returned. ctx is the request's, with
	// whatever the host's middleware put there. Many requests call at once, once for each entry that they show.
	//
	// Nil, an error and a panic hide the payload. Of errors and panics only the Go type is logged, as their text may hold
	// some of the payload. Error texts and the answers of callbacks' receivers are not redacted.
	//
	// Export files hold payloads as they were sent, under a checksum, so with a redactor nobody may download them here.
	// They are in Config.Exports of the Service, and a second Handler without a redactor may be mounted for those who may
	// see everything. Defaults to nil, which shows payloads as they are.
	Redact func(ctx context.Context, entry dlq.Entry) (payload []byte, err error)
	// MaxImportBytes is how large a file may be that is imported, in bytes. Defaults to 1 GiB.
	MaxImportBytes int64
}

// DefaultMaxImportBytes is the default of Config.MaxImportBytes.
const DefaultMaxImportBytes = 1 << 30

// Validate returns every fault, joined, each naming its field. Nil is valid.
func (c *Config) Validate() error {
	var faults []error
	if c == nil {
		return nil
	}
	if c.Base != "" && !strings.HasPrefix(c.Base, "/") {
		faults = append(faults, fmt.Errorf("management: Config.Base must begin with a slash: %q", c.Base))
	}
	if trimmed := strings.Trim(c.Base, "/"); path.Clean("/"+trimmed) != "/"+trimmed || strings.Contains(c.Base, "//") {
		faults = append(faults, fmt.Errorf("management: Config.Base must be a clean path: %q", c.Base))
	}
	if c.MaxImportBytes < 0 {
		faults = append(faults, fmt.Errorf("management: Config.MaxImportBytes must be positive: %d", c.MaxImportBytes))
	}
	return errors.Join(faults...)
}

// withDefaults returns a copy with the zero fields set to their defaults; also of nil.
func (c *Config) withDefaults() *Config {
	var filled Config
	if c != nil {
		filled = *c
	}
	if filled.Logger == nil {
		filled.Logger = slog.Default()
	}
	if filled.Title == "" {
		filled.Title = "Redrive"
	}
	if filled.MaxImportBytes == 0 {
		filled.MaxImportBytes = DefaultMaxImportBytes
	}
	return &filled
}
