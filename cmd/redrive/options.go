package main

import (
	"flag"
	"io"
	"net/url"
	"os"
	"strings"
	"time"
	"unicode"
)

// Values of -output.
const (
	outputTable = "table"
	outputJSON  = "json"
)

// options are the flags that every command has.
type options struct {
	url       string
	token     string // from the environment
	tokenFile string
	output    string
	timeout   time.Duration
	columns   string // the terminal's width, where the shell tells
}

// The defaults of options.
const defaultTimeout = time.Minute

func newOptions(env func(string) string) options {
	return options{url: env("REDRIVE_URL"), token: env("REDRIVE_TOKEN"), columns: env("COLUMNS"),
		output: outputTable, timeout: defaultTimeout}
}

// newFlags returns a set with the flags that every command has. Those that were set before keep their values.
func (s *session) newFlags() *flag.FlagSet {
	f := flag.NewFlagSet("redrive", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	f.StringVar(&s.url, "url", s.url, "`URL` where the management is mounted, such as http://127.0.0.1:8080/manage")
	f.StringVar(&s.tokenFile, "token-file", s.tokenFile, "`file` with the management's token")
	f.Func("output", "`format`: table, or json: what the server answered, one item a line (default table)", func(text string) error {
		s.output = text
		return oneOf(text, outputTable, outputJSON)
	})
	f.DurationVar(&s.timeout, "timeout", s.timeout, "how long to wait for an answer (default 1m0s)")
	return f
}

// json is whether results are for programs.
func (o *options) json() bool { return o.output == outputJSON }

// connect returns the client that the options describe.
func (o *options) connect() (*client, error) {
	if o.timeout <= 0 {
		return nil, newUsage("", "-timeout must be more than 0")
	}
	base, err := parseBase(o.url)
	if err != nil {
		return nil, err
	}
	token, err := o.readToken()
	if err != nil {
		return nil, err
	}
	return newClient(base, token, o.timeout), nil
}

func parseBase(text string) (*url.URL, error) {
	if text == "" {
		return nil, newUsage("", "-url is missing: it says where the management is mounted, such as "+
			"http://127.0.0.1:8080/manage; REDRIVE_URL does as well")
	}
	base, err := url.Parse(text)
	if err != nil { // its text could show a password
		return nil, newUsage("", "-url is not a URL; it is such as http://127.0.0.1:8080/manage")
	}
	switch _, secret := base.User.Password(); {
	case secret:
		return nil, newUsage("", "-url holds a password; put it into REDRIVE_TOKEN or a -token-file, where nobody sees it")
	case base.Scheme != "http" && base.Scheme != "https", base.Host == "":
		return nil, newUsage("", "-url must begin with http:// or https:// and a host, not be "+text)
	case base.RawQuery != "", base.Fragment != "":
		return nil, newUsage("", "-url must end with the path where the management is mounted, not be "+text)
	}
	return base, nil
}

// readToken returns the token of the file, if one is named, or else of the environment; "" for none.
func (o *options) readToken() (string, error) {
	token, from := o.token, "REDRIVE_TOKEN"
	if o.tokenFile != "" {
		text, err := os.ReadFile(o.tokenFile)
		if err != nil {
			return "", newUsage("", "-token-file cannot be read: "+err.Error())
		}
		token, from = strings.TrimSpace(string(text)), "-token-file "+o.tokenFile
		if token == "" {
			return "", newUsage("", from+" is empty")
		}
	}
	if strings.ContainsFunc(token, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return "", newUsage("", "the token of "+from+" has characters that no token has; is it the right one, on one line?")
	}
	return token, nil
}
