package asyncevents

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"

	"github.com/ThreeDotsLabs/watermill/message"
)

// cloudBody is what stands in the body of a CloudEvent.
type cloudBody struct {
	attributes map[string]string
	// data is the data as it stands there, or decoded from base64, which binary then says; nil for none.
	data   []byte
	binary bool
	// callbackURL is that in data, as JSON, where data was read as JSON already.
	callbackURL []byte
}

// parseCloudEvent reads a CloudEvent as parseBody reads any other event: strictly, and without changing the body.
func parseCloudEvent(body []byte, m message.Metadata) (Event, *Problem) {
	read := cloudBody{binary: true}
	if isStructured(m) {
		var problem *Problem
		if read, problem = readStructured(body); problem != nil {
			return Event{}, problem
		}
	} else {
		read.attributes = attributesIn(m)
		if len(body) > 0 {
			read.data = body[:len(body):len(body)]
		}
	}
	cloud, problem := newCloudEvent(read.attributes)
	if problem != nil {
		return Event{}, problem
	}
	event := Event{CloudEvent: cloud, Action: cloud.Type, Customer: cloud.Extensions[attributeCustomer], Body: body}
	if problem := read.conclude(&event, isStructured(m)); problem != nil {
		return Event{}, problem
	}
	return event, nil
}

// conclude puts the data into the event, and where it is called back.
func (b *cloudBody) conclude(event *Event, structured bool) *Problem {
	cloud := event.CloudEvent
	asJSON := cloud.hasJSON(structured)
	if problem := b.decode(asJSON); problem != nil {
		return problem
	}
	cloud.Data = b.data
	if asJSON && !isAbsent(b.data) {
		event.Data = b.data
	}
	if event.CallbackURL = cloud.Extensions[attributeCallback]; event.CallbackURL != "" {
		return nil
	}
	var ok bool
	if event.CallbackURL, ok = optionalString(b.callbackURL); !ok {
		return newCallbackURLProblem()
	}
	return nil
}

// decode checks data that is JSON and was not read as that yet, and makes text of a string that is not JSON.
func (b *cloudBody) decode(asJSON bool) *Problem {
	switch {
	case asJSON && b.binary && b.data != nil:
		var err error
		if b.callbackURL, err = readData(b.data); err != nil {
			return newMalformedProblem(describeFault(err, "JSON value"))
		}
	case !asJSON && !b.binary:
		text, ok := stringOf(b.data)
		if !ok && !isAbsent(b.data) {
			return newInvalidPropertyProblem("data must be a string where datacontenttype is not JSON")
		}
		if b.data, b.callbackURL = nil, nil; ok {
			b.data = []byte(text)
		}
	}
	return nil
}

// readData checks that data is one well-formed JSON value, and returns the callback URL in it.
func readData(data []byte) (callbackURL []byte, err error) {
	p := parsers.Get().(*parser)
	defer p.release()
	p.reset(data)
	if _, err = p.readData(); err == nil {
		err = p.readTrailer()
	}
	return p.fields.dataCallbackURL, err
}

// readStructured reads the JSON of a CloudEvent in structured content mode.
func readStructured(body []byte) (cloudBody, *Problem) {
	p := parsers.Get().(*parser)
	defer p.release()
	p.reset(body)
	read := cloudBody{attributes: map[string]string{}}
	err := p.readObject(read.member)
	var problem *Problem
	switch {
	case errors.As(err, &problem):
		return read, problem
	case err != nil:
		return read, newMalformedProblem(describeFault(err, "JSON object"))
	}
	read.callbackURL = p.fields.dataCallbackURL
	return read, nil
}

// member reads a member of the outermost object. An error of its own is a *Problem.
func (b *cloudBody) member(p *parser, name []byte) error {
	switch name = name[1 : len(name)-1]; string(name) {
	case "data":
		data, err := p.readData()
		if err != nil {
			return err
		}
		return b.take(data, false)
	case "data_base64":
		value, err := p.readValue()
		if err != nil || isAbsent(value) {
			return err
		}
		text, _ := stringOf(value)
		data, err := base64.StdEncoding.DecodeString(text)
		if err != nil || value[0] != '"' {
			return newInvalidPropertyProblem("data_base64 must be a string in base64")
		}
		return b.take(data, true)
	}
	value, err := p.readValue()
	if err != nil || isAbsent(value) {
		return err
	}
	text, ok := attributeText(value)
	if !ok {
		return newInvalidPropertyProblem("A CloudEvents attribute must be a string, a boolean or an integer")
	}
	b.attributes[string(name)] = text
	return nil
}

// take takes the data, which may stand in one form only.
func (b *cloudBody) take(data []byte, binary bool) error {
	if b.data != nil {
		return newInvalidPropertyProblem("A CloudEvent must not have both data and data_base64")
	}
	if len(data) > 0 {
		b.data, b.binary = data[:len(data):len(data)], binary
	}
	return nil
}

// attributeText is the string form of an attribute's value.
func attributeText(value json.RawMessage) (text string, ok bool) {
	switch value[0] {
	case '"':
		return stringOf(value)
	case 't', 'f':
		return string(value), true
	}
	_, err := strconv.ParseInt(string(value), 10, 32) // as wide as CloudEvents has them
	return string(value), err == nil
}
