package management

import (
	"fmt"

	"github.com/redrive-go/redrive/dlq"
)

// shown returns entries as the sender may see them: without their payloads when those are not for the sender's eyes, else
// with what the redactor shows of them. Everything that shows entries goes through here.
func (c *call) shown(entries ...dlq.Entry) []dlq.Entry {
	shown := make([]dlq.Entry, len(entries))
	seesPayloads := c.may(ActionViewPayload)
	failed := 0
	var failure error
	for i, entry := range entries {
		if !seesPayloads {
			shown[i] = hidden(entry)
			continue
		}
		var err error
		if shown[i], err = c.redacted(entry); err != nil {
			failed, failure = failed+1, err
		}
	}
	if failed > 0 {
		c.cfg.Logger.ErrorContext(c.r.Context(), "management: redactor failed, payloads were hidden", "queue", c.queue,
			"entries", failed, "error", failure)
	}
	return shown
}

// seesPayloads is whether the sender may see payloads as they stand in a DLQ. Who may not must not learn of them another way either.
func (c *call) seesPayloads() bool { return c.cfg.Redact == nil && c.may(ActionViewPayload) }

// hidden returns the entry without its payload, and without its metadata, which may say the same.
func hidden(entry dlq.Entry) dlq.Entry {
	entry.Payload, entry.Metadata, entry.PayloadHidden = nil, nil, true
	return entry
}

// redacted returns the entry with the payload that the redactor shows. Whatever goes wrong hides it. The error tells only
// of which type the redactor's is: its text may hold some of the payload.
func (c *call) redacted(entry dlq.Entry) (shown dlq.Entry, err error) {
	if c.cfg.Redact == nil {
		return entry, nil
	}
	shown = hidden(entry)
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic with a %T", p)
		}
	}()
	entry.Payload = append([]byte{}, entry.Payload...) // the redactor's own, and never nil
	payload, err := c.cfg.Redact(c.r.Context(), entry)
	if err != nil {
		return shown, fmt.Errorf("%T", err)
	}
	if payload != nil {
		shown.Payload, shown.PayloadHidden = payload, false
	}
	return shown, nil
}
