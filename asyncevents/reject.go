package asyncevents

import "errors"

// Rejection is a business refusal of an event: its processing is done, with an answer for the client.
type Rejection struct {
	// Type is the kind of refusal, such as "NotEnoughPoints".
	Type string `json:"type"`
	// Code names the refusal for programs.
	Code int `json:"code"`
	// Message explains it to people. The client sees it.
	Message string `json:"message"`
}

// Error returns the message.
func (r *Rejection) Error() string { return r.Message }

// Reject returns the error with which a Processor refuses an event for a business reason: the event's status becomes
// "error", with these three as its response. It is final: neither tried again nor put into the DLQ.
func Reject(kind string, code int, message string) error {
	return &Rejection{Type: kind, Code: code, Message: message}
}

// rejectionOf returns the refusal within err, if any.
func rejectionOf(err error) (*Rejection, bool) {
	var r *Rejection
	ok := errors.As(err, &r)
	return r, ok
}
