package management

import (
	"errors"
	"fmt"
	"log/slog"
	"path"
	"strings"
)

// Config configures the Handler. Nil and the zero value mean the documented defaults.
type Config struct {
	// Logger gets what went wrong: store errors with the route, audit rows that could not be written, panics of the
	// Authorizer. It never gets payloads or secrets. Defaults to slog.Default().
	Logger *slog.Logger
	// Title is the name on every page. Defaults to "Redrive".
	Title string
	// Base is the path prefix under which the handler is mounted without being stripped, such as "/manage". Paths that
	// do not begin with it are taken as stripped already. "/" means that there is nothing to strip.
	//
	// Without it, the prefix is read from http.Request.Pattern, which http.ServeMux and chi (from 5.2) set. It is needed
	// for routers that do not. Links in pages are relative and need neither. Defaults to detecting the prefix.
	Base string
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
