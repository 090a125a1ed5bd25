package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// report is what the start prints for people.
type report struct {
	options options
	// base is the server's URL.
	base string
	// samples are the sample events and how they stand; none without -samples.
	samples []sample
}

// print writes all of it at once.
func (r report) print(w io.Writer) error {
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "\nRedrive listens on %s, events are kept in %s.\n", r.base, r.place())
	r.printSamples(&b)
	r.printDoors(&b)
	r.printCommands(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

// place is where events are kept. The DSN of a server is not shown: it may hold a password.
func (r report) place() string {
	store := r.options.store()
	place := fmt.Sprintf("the %s database of %s", store.kind, store.flag)
	switch store.kind {
	case backendSQLite:
		place = *store.dsn
	case backendMemory:
		place = "memory"
	}
	if r.options.backend == backendAMQP {
		place = "queues of the broker of -dsn and in " + place
	}
	return place
}

func (r report) printSamples(b *strings.Builder) {
	if len(r.samples) == 0 {
		return
	}
	_, _ = fmt.Fprintf(b, "\nIt has sent itself %d sample events. This is how they stand:\n\n", len(r.samples))
	table := tabwriter.NewWriter(b, 0, 0, 3, ' ', 0)
	_, _ = fmt.Fprintln(table, "  EVENT\tWHAT IT SHOWS\tSTATUS\tATTEMPTS\tCALLBACK")
	waiting := false
	for _, s := range r.samples {
		_, _ = fmt.Fprintf(table, "  %s\t%s\t%s\t%d\t%s\n", s.ID, s.Note, s.Seen.describe(), s.Seen.Attempts, s.callback())
		waiting = waiting || !s.Seen.settled()
	}
	_ = table.Flush() // a strings.Builder takes everything
	if waiting {
		_, _ = fmt.Fprintf(b, "\nWhat still waits is tried again after growing pauses, and is in its DLQ %s.\n", r.untilDLQ())
	}
}

// untilDLQ is about how long five attempts take.
func (r report) untilDLQ() string {
	var total time.Duration
	policy := r.options.policy().WithDefaults()
	for attempt := 1; attempt < policy.MaxAttempts; attempt++ {
		total += policy.Backoff(attempt)
	}
	return "after about " + total.Round(time.Second).String()
}

// describe is the status, and when an event that waits is tried next.
func (s sampleStatus) describe() string {
	wait := time.Until(s.NextAttemptAt).Round(time.Second)
	if s.settled() || s.NextAttemptAt.IsZero() || wait <= 0 {
		return string(s.Status)
	}
	return fmt.Sprintf("%s, again in %s", s.Status, wait)
}

func (s sample) callback() string {
	if s.Seen.Callback.Status == "" {
		return "-"
	}
	return string(s.Seen.Callback.Status)
}

func (r report) printDoors(b *strings.Builder) {
	_, _ = fmt.Fprintf(b, "\nThe dead-letter queues: %s%s/\n", r.base, managePath)
	if !r.options.exposed() {
		return
	}
	if r.options.intakeToken == "" {
		_, _ = fmt.Fprintln(b, "This address can be reached from outside, so the intake is closed without -intake-token.")
	}
	if r.options.manageToken == "" {
		_, _ = fmt.Fprintln(b, "This address can be reached from outside, so the management is closed without -manage-token.")
	}
}

// printCommands prints what to try. Tokens are for the user to fill in: this output may end up in a log.
func (r report) printCommands(b *strings.Builder) {
	id := "<correlation_id>"
	if len(r.samples) > 0 {
		id = r.samples[0].ID
	}
	intake, manage := bearer(r.options.intakeToken, "intake token"), bearer(r.options.manageToken, "manage token")
	_, _ = fmt.Fprintf(b, `
Try: send an event, ask what became of one, move the oldest dead letter back:

  curl -i%[2]s -H 'Content-Type: application/json' %[1]s%[4]s \
    -d '{"customer":"you","action":"point_add","data":{"points":10}}'
  curl -s%[2]s %[1]s%[4]s/%[6]s
  curl -s%[3]s -X POST %[1]s%[5]s/api/queues/events/retry-one

`, r.base, intake, manage, eventsPath, managePath, id)
}

func bearer(token, name string) string {
	if token == "" {
		return ""
	}
	return fmt.Sprintf(" -H 'Authorization: Bearer <%s>'", name)
}
