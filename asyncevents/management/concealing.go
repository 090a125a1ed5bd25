package management

import (
	"encoding/json"
	"strings"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/export"
	"github.com/redrive-go/redrive/retry"
)

// concealed stands in the place of what somebody looked for in payloads, for those who do not see payloads: beside the count of what
// was found it would tell what they hold.
const concealed = "hidden"

// shownFilter is a filter as the sender may see it.
func (c *call) shownFilter(f dlq.Filter) dlq.Filter {
	if !f.ReadsPayloads() || c.seesPayloads() {
		return f
	}
	for _, text := range []*string{&f.Text, &f.Action} {
		if *text != "" {
			*text = concealed
		}
	}
	attributes := make(map[string]string, len(f.Attributes))
	for path := range f.Attributes {
		attributes[path] = concealed
	}
	f.Attributes = attributes
	return f
}

// shownCriteria is shownFilter for one that is text.
func (c *call) shownCriteria(criteria string) string {
	f, err := dlq.ParseCriteria(criteria)
	if err != nil { // of a newer version
		return c.unlessConcealed(criteria)
	}
	f = c.shownFilter(f)
	shown, err := f.Criteria()
	if err != nil {
		return c.unlessConcealed(criteria)
	}
	return shown
}

// unlessConcealed is a text for those who see payloads.
func (c *call) unlessConcealed(text string) string {
	if c.seesPayloads() {
		return text
	}
	return concealed
}

// shownJob is how a retry job stands, as the sender may see it.
func (c *call) shownJob(job retry.Job) jobStatus {
	return c.shownStatus(c.jobStatus(c.r.Context(), job))
}

func (c *call) shownStatus(status jobStatus) jobStatus {
	status.Options.Criteria = c.shownCriteria(status.Options.Criteria)
	status.Filter = json.RawMessage(status.Options.Criteria)
	return status
}

// shownQueue is how a DLQ stands, as the sender may see it.
func (c *call) shownQueue(status queueStatus) queueStatus {
	if status.RetryJob != nil {
		shown := c.shownStatus(*status.RetryJob)
		status.RetryJob = &shown
	}
	return status
}

// shownExport is the record of an export as the sender may see it.
func (c *call) shownExport(record export.Record) export.Record {
	record.Filter = c.shownFilter(record.Filter)
	record.CreatedAt, record.FinishedAt = record.CreatedAt.UTC(), record.FinishedAt.UTC()
	return record
}

// shownRow is a row of the audit log as the sender may see it: that of an edit has digests of payloads, which can be guessed where those
// are short, and that of an action on what a filter means has the filter.
func (c *call) shownRow(row asyncevents.AuditRow) asyncevents.AuditRow {
	row.At = row.At.UTC()
	switch {
	case row.Action == auditEdit:
		row.Detail = c.unlessConcealed(row.Detail)
	case strings.HasPrefix(row.Detail, "{"):
		row.Detail = c.shownCriteria(row.Detail)
	}
	return row
}
