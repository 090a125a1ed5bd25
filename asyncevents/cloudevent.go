package asyncevents

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"mime"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ThreeDotsLabs/watermill/message"
)

// CloudEvent is what an event in the form of CloudEvents 1.0 (https://cloudevents.io) says of itself, beside what every Event does.
type CloudEvent struct {
	// ID and Source together name the event: its correlation id follows from them.
	ID, Source string
	// Type is what kind of occurrence it is, and Event.Action too.
	Type string
	// Subject is what of the source it is about; "" for none.
	Subject string
	// Time is when it occurred; zero for none.
	Time time.Time
	// DataContentType is the media type of Data; "" for none, which within JSON means JSON.
	DataContentType string
	// DataSchema is the URI of what Data adheres to; "" for none.
	DataSchema string
	// Extensions are all other attributes, by name, in their string form; nil for none.
	Extensions map[string]string
	// Data is the data in whichever content mode it came, decoded where it was base64 or a JSON string of text that is not JSON; nil
	// for none. It must not be changed.
	Data []byte
}

// Attributes of a CloudEvent. The others stand in newCloudEvent alone.
const (
	attributeVersion  = "specversion"
	attributeID       = "id"
	attributeSource   = "source"
	attributeType     = "type"
	attributeDataType = "datacontenttype"
	attributeCustomer = "customer"    // an extension of ours: Event.Customer
	attributeCallback = "callbackurl" // an extension of ours: Event.CallbackURL
)

// A message carries a CloudEvent as in the CloudEvents Kafka protocol binding: in binary content mode its attributes are metadata
// under this prefix, and its data the payload; in structured content mode the payload is all of it. So it is also one when it comes from
// another program by such a transport. Names of attributes are letters and digits, so no metadata of our own can be meant.
const (
	metadataAttribute   = "ce_"
	metadataContentType = "content-type"
)

// Media types of CloudEvents in structured and in batched content mode, and how all of those begin.
const (
	mediaCloudEvents     = "application/cloudevents"
	mediaCloudEvent      = mediaCloudEvents + "+json"
	mediaCloudEventBatch = mediaCloudEvents + "-batch+json"
)

// metadata is what the message of a submission carries beside the body.
func (s *Submission) metadata() message.Metadata {
	m := message.Metadata{}
	if s.Attributes == nil {
		if mediaType(s.ContentType) == mediaCloudEvent {
			m[metadataContentType] = mediaCloudEvent
		}
		return m
	}
	m[metadataContentType] = s.ContentType
	m[metadataAttribute+attributeVersion] = ""
	for name, value := range s.Attributes {
		m[metadataAttribute+name] = value
	}
	return m
}

// isStructured is whether a message is a CloudEvent in structured content mode, and isBinary whether it is one in binary content mode.
func isStructured(m message.Metadata) bool {
	return mediaType(m[metadataContentType]) == mediaCloudEvent
}

func isBinary(m message.Metadata) bool {
	_, is := m[metadataAttribute+attributeVersion]
	return is
}

// attributesIn are the attributes of a CloudEvent in binary content mode.
func attributesIn(m message.Metadata) map[string]string {
	attributes := map[string]string{}
	for key, value := range m {
		if name, is := strings.CutPrefix(key, metadataAttribute); is {
			attributes[name] = value
		}
	}
	if contentType := m[metadataContentType]; contentType != "" {
		attributes[attributeDataType] = contentType
	}
	return attributes
}

// hashOf is by what the same event sent again is told from another one. In binary content mode the attributes count as well that the
// specification names: what else is in the headers may have been added on the way.
func hashOf(body []byte, m message.Metadata) (hash [sha256.Size]byte) {
	if !isBinary(m) {
		return sha256.Sum256(body)
	}
	h := sha256.New()
	for _, name := range []string{attributeType, "subject", "time", "dataschema"} {
		_, _ = fmt.Fprintf(h, "%q", m[metadataAttribute+name])
	}
	_, _ = fmt.Fprintf(h, "%q", m[metadataContentType])
	_, _ = h.Write(body)
	h.Sum(hash[:0])
	return hash
}

// newCloudEvent makes sense of attributes, or says what is wrong with the first that is.
func newCloudEvent(attributes map[string]string) (*CloudEvent, *Problem) {
	for _, name := range []string{attributeVersion, attributeID, attributeSource, attributeType} {
		if attributes[name] == "" {
			return nil, newEmptyPropertyProblem(name)
		}
	}
	e := &CloudEvent{}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		value := attributes[name]
		if fault := faultOf(name, value); fault != "" {
			return nil, newInvalidPropertyProblem(fault)
		}
		if fault := e.set(name, value); fault != "" {
			return nil, newInvalidPropertyProblem("CloudEvents attribute " + name + " " + fault)
		}
	}
	return e, nil
}

// set takes an attribute, or says what is wrong with it. An empty one is as good as none.
func (e *CloudEvent) set(name, value string) (fault string) {
	switch name {
	case attributeVersion:
		if value != "1.0" {
			return "must be 1.0"
		}
	case attributeID:
		e.ID = value
	case attributeSource:
		e.Source = value
	case attributeType:
		e.Type = value
	case "subject":
		e.Subject = value
	case "dataschema":
		e.DataSchema = value
	case attributeDataType:
		e.DataContentType = value
	case "time":
		return e.setTime(value)
	case "data":
		return "is not an attribute"
	default:
		e.extend(name, value)
	}
	return ""
}

func (e *CloudEvent) setTime(value string) (fault string) {
	if value == "" {
		return ""
	}
	var err error
	if e.Time, err = time.Parse(time.RFC3339Nano, value); err != nil {
		return "must be a time as in RFC 3339"
	}
	return ""
}

func (e *CloudEvent) extend(name, value string) {
	if value == "" {
		return
	}
	if e.Extensions == nil {
		e.Extensions = map[string]string{}
	}
	e.Extensions[name] = value
}

// faultOf is what is wrong with an attribute whatever it means. What was sent is not repeated.
func faultOf(name, value string) string {
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return "The name of a CloudEvents attribute must be of a-z and 0-9"
		}
	}
	if name == "" {
		return "A CloudEvents attribute has no name"
	}
	if !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl) {
		return "CloudEvents attribute " + cutEcho(name) + " must be text in UTF-8 without control characters"
	}
	return ""
}

// hasJSON is whether the data is JSON where it says so, or where, within JSON, it says nothing.
func (e *CloudEvent) hasJSON(withinJSON bool) bool {
	if e.DataContentType == "" {
		return withinJSON
	}
	kind, _, err := mime.ParseMediaType(e.DataContentType)
	return err == nil && (strings.HasSuffix(kind, "/json") || strings.HasSuffix(kind, "+json"))
}

// has is whether an attribute of the event is set that is not one of those that every Event has.
func (e *CloudEvent) has(name string) bool {
	switch name {
	case attributeVersion, attributeID, attributeSource, attributeType:
		return true
	case "subject":
		return e.Subject != ""
	case "dataschema":
		return e.DataSchema != ""
	case attributeDataType:
		return e.DataContentType != ""
	case "time":
		return !e.Time.IsZero()
	}
	return e.Extensions[name] != ""
}
