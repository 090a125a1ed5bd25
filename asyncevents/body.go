package asyncevents

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// maxDepth is how deep a body may be nested, the outermost object included.
const maxDepth = 64

// maxCorrelationID is the length of a correlation id at most, in bytes.
const maxCorrelationID = 128

// envelope is what the service itself needs to know of a body.
type envelope struct {
	// customer and action are "" where the body has no string of that name.
	customer, action string
	// callbackURL and correlationID are "" where the client left the choice to the service.
	callbackURL, correlationID string
	// data aliases the body; nil where it is absent or null.
	data json.RawMessage
}

// parser reads one body at a time, token by token, so that nesting costs no stack.
type parser struct {
	decoder jsontext.Decoder
	buffer  bytes.Buffer
	body    []byte
	deepest int // how deep it may be nested
	fields  fields
}

// fields are the values of the attributes that are read, as they stand in the body; nil where absent.
type fields struct {
	customer, action, data, callbackURL, dataCallbackURL, correlationID []byte
}

var parsers = sync.Pool{New: func() any { return new(parser) }}

// Faults of a body that the decoder does not look for.
var (
	errTooDeep  = fmt.Errorf("nested deeper than %d", maxDepth)
	errTrailing = errors.New("data after it")
	errNoObject = errors.New("not a JSON object")
)

// parseBody checks that body is one well-formed JSON object and reads the attributes that the service itself knows. It
// neither changes nor copies body.
func parseBody(body []byte) (envelope, *Problem) {
	p := parsers.Get().(*parser)
	defer p.release()
	p.reset(body)
	if err := p.readBody(); err != nil {
		return envelope{}, newMalformedProblem(describeFault(err, "JSON object"))
	}
	return p.fields.envelope()
}

func (p *parser) reset(body []byte) {
	p.body, p.deepest, p.fields = body, maxDepth, fields{}
	// The decoder reads a bytes.Buffer in place: nothing is copied, and it promises not to write to it.
	p.buffer = *bytes.NewBuffer(body)
	p.decoder.Reset(&p.buffer)
}

// release gives the parser back without the body, which may be large and lives on elsewhere.
func (p *parser) release() {
	p.reset(nil)
	parsers.Put(p)
}

func (p *parser) readBody() error { return p.readObject((*parser).readAttribute) }

// readObject reads the outermost object, of which read takes the members, and that nothing follows.
func (p *parser) readObject(read func(p *parser, name []byte) error) error {
	if p.decoder.PeekKind() != '{' {
		// The decoder knows better what is wrong with something that is not JSON at all.
		if _, err := p.decoder.ReadToken(); err != nil {
			return err
		}
		return errNoObject
	}
	if err := p.readMembers(read); err != nil {
		return err
	}
	return p.readTrailer()
}

// readEnd reads the end of the outermost value, and that nothing follows.
func (p *parser) readEnd() error {
	if _, err := p.decoder.ReadToken(); err != nil {
		return err
	}
	return p.readTrailer()
}

// readTrailer reads that nothing follows.
func (p *parser) readTrailer() error {
	switch _, err := p.decoder.ReadToken(); {
	case err == nil:
		return errTrailing
	case !errors.Is(err, io.EOF):
		return err
	}
	return nil
}

// readMembers reads the object that comes next and lets read take the value of each member.
func (p *parser) readMembers(read func(p *parser, name []byte) error) error {
	if _, err := p.decoder.ReadToken(); err != nil {
		return err
	}
	for p.decoder.PeekKind() != '}' {
		name, err := p.decoder.ReadValue()
		if err != nil {
			return err
		}
		if bytes.IndexByte(name, '\\') >= 0 {
			if name, err = plainName(name); err != nil {
				return err
			}
		}
		if err := read(p, name); err != nil {
			return err
		}
	}
	_, err := p.decoder.ReadToken()
	return err
}

// plainName writes a quoted name without needless escapes, so that "\u0064ata" is "data".
func plainName(name []byte) ([]byte, error) {
	plain, err := jsontext.AppendUnquote(nil, name)
	if err != nil {
		return nil, err
	}
	return jsontext.AppendQuote(nil, plain)
}

// readAttribute reads the value of a member of the body.
func (p *parser) readAttribute(name []byte) (err error) {
	switch string(name) {
	case `"customer"`:
		p.fields.customer, err = p.readValue()
	case `"action"`:
		p.fields.action, err = p.readValue()
	case `"callback_url"`:
		p.fields.callbackURL, err = p.readValue()
	case `"correlation_id"`:
		p.fields.correlationID, err = p.readValue()
	case `"data"`:
		p.fields.data, err = p.readData()
	default:
		_, err = p.readValue()
	}
	return err
}

// readData reads the value of "data" and looks into it for the callback URL.
func (p *parser) readData() ([]byte, error) {
	if p.decoder.PeekKind() != '{' {
		return p.readValue()
	}
	start := p.nextStart()
	err := p.readMembers((*parser).readDataAttribute)
	return p.body[start:p.decoder.InputOffset()], err
}

func (p *parser) readDataAttribute(name []byte) error {
	value, err := p.readValue()
	if string(name) == `"callback_url"` {
		p.fields.dataCallbackURL = value
	}
	return err
}

// readValue reads whatever comes next and returns it as it stands in the body.
func (p *parser) readValue() ([]byte, error) {
	start, outer := p.nextStart(), p.decoder.StackDepth()
	for {
		if _, err := p.decoder.ReadToken(); err != nil {
			return nil, err
		}
		depth := p.decoder.StackDepth()
		if depth > p.deepest {
			return nil, errTooDeep
		}
		if depth <= outer {
			return p.body[start:p.decoder.InputOffset()], nil
		}
	}
}

// nextStart is where the value begins that follows a name, or another value of an array.
func (p *parser) nextStart() int {
	start := int(p.decoder.InputOffset())
	for start < len(p.body) {
		switch p.body[start] {
		case ' ', '\t', '\r', '\n', ':', ',':
			start++
		default:
			return start
		}
	}
	return start
}

// envelope makes sense of the values.
func (f *fields) envelope() (envelope, *Problem) {
	result := envelope{}
	result.customer, _ = stringOf(f.customer)
	result.action, _ = stringOf(f.action)
	if !isAbsent(f.data) {
		// Without capacity, so that appending to it cannot reach into the rest of the body.
		result.data = f.data[:len(f.data):len(f.data)]
	}
	callbackURL := f.callbackURL
	if isAbsent(callbackURL) {
		callbackURL = f.dataCallbackURL
	}
	var ok bool
	if result.callbackURL, ok = optionalString(callbackURL); !ok {
		return envelope{}, newCallbackURLProblem()
	}
	if result.correlationID, ok = optionalString(f.correlationID); !ok || !mayBeChosen(result.correlationID) {
		return envelope{}, newInvalidPropertyProblem(
			"correlation_id must be 1 to 128 of A-Z a-z 0-9 . _ : - and not '.', '..', 'batch' or 'openapi.yaml'")
	}
	return result, nil
}

func isAbsent(value []byte) bool { return value == nil || string(value) == "null" }

// optionalString returns a string, or "" for an absent value. It is not ok for anything else, an empty string included.
func optionalString(value []byte) (text string, ok bool) {
	if isAbsent(value) {
		return "", true
	}
	text, ok = stringOf(value)
	return text, ok && text != ""
}

func stringOf(value []byte) (text string, ok bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	if bytes.IndexByte(value, '\\') < 0 {
		return string(value[1 : len(value)-1]), true
	}
	plain, err := jsontext.AppendUnquote(nil, value)
	return string(plain), err == nil
}

// isCorrelationID is whether id has the form of one. What has it can stand in paths, headers, logs and JSON as it is.
func isCorrelationID(id string) bool {
	if id == "" || len(id) > maxCorrelationID {
		return false
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == ':', c == '-':
		default:
			return false
		}
	}
	return true
}

// mayBeChosen is whether a client may ask for id, "" meaning none. Some ids have the form, but no status could ever be
// asked for at their path: it means something else.
func mayBeChosen(id string) bool {
	switch id {
	case "":
		return true
	case ".", "..", batchName, openAPIName:
		return false
	}
	return isCorrelationID(id)
}

// describeFault tells the client what is wrong, and where, without repeating what was sent.
func describeFault(err error, expected string) string {
	if errors.Is(err, io.EOF) {
		return "The body is empty"
	}
	var fault *jsontext.SyntacticError
	if !errors.As(err, &fault) {
		return "The body is not one " + expected + ": " + err.Error()
	}
	what := "malformed JSON"
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		what = "a duplicate key"
	case errors.Is(err, io.ErrUnexpectedEOF):
		what = "it ends early"
	case strings.Contains(fault.Error(), "invalid UTF-8"):
		what = "invalid UTF-8"
	}
	return fmt.Sprintf("The body is not one %s: %s at byte %d", expected, what, fault.ByteOffset)
}
