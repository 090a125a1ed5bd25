package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"time"
)

// entry is a dead letter.
type entry struct {
	ID            string          `json:"id"`
	Queue         string          `json:"queue"`
	CreatedAt     time.Time       `json:"created_at"`
	CorrelationID string          `json:"correlation_id"`
	Payload       json.RawMessage `json:"payload"`
	PayloadBase64 []byte          `json:"payload_base64"`
	PayloadHidden bool            `json:"payload_hidden"`
	Error         cause           `json:"error"`
	Attempts      []attempt       `json:"attempts"`
	Redrives      int64           `json:"redrives"`
	Job           string          `json:"job"`
	AcceptedAt    time.Time       `json:"accepted_at"`
	Exported      bool            `json:"exported"`
}

// attempt is one that failed.
type attempt struct {
	Number         int64     `json:"number"`
	StartedAt      time.Time `json:"started_at"`
	DurationMS     int64     `json:"duration_ms"`
	Error          string    `json:"error"`
	ResponseStatus int       `json:"response_status"`
	ResponseBody   string    `json:"response_body"`
}

// cause is why something failed.
type cause struct {
	Type    string `json:"type"`
	Message string `json:"message"`
}

// String leaves out the type of an error that is a mere text, or begins with it.
func (c cause) String() string {
	if c.Type == "" || c.Type == "error" || strings.HasPrefix(c.Message, c.Type+": ") {
		return c.Message
	}
	return c.Type + ": " + c.Message
}

// callbackPrefix is what the error of every callback begins with. The id in it is that of the entry's event.
var callbackPrefix = regexp.MustCompile(`^callback: send \S+: `)

// short is the error for a table, where the prefix would take the room of the reason.
func (c cause) short() string {
	c.Message = callbackPrefix.ReplaceAllString(c.Message, "")
	return c.String()
}

// UnmarshalJSON also takes a mere text.
func (c *cause) UnmarshalJSON(raw []byte) error {
	if len(raw) > 0 && raw[0] == '"' {
		return json.Unmarshal(raw, &c.Message)
	}
	type plainCause cause
	return json.Unmarshal(raw, (*plainCause)(c))
}
