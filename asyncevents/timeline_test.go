package asyncevents

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/redrive-go/redrive/retry"
)

// told is a timeline as text, with its times in seconds after began.
func told(line []Milestone, began time.Time) string {
	var text strings.Builder
	for _, m := range line {
		fmt.Fprintf(&text, "%g %s %s", m.At.Sub(began).Seconds(), m.Queue, m.What)
		if m.Attempt > 0 {
			fmt.Fprintf(&text, " #%d", m.Attempt)
		}
		if m.Omitted > 0 {
			fmt.Fprintf(&text, " [%d]", m.Omitted)
		}
		for _, detail := range []string{m.Error, m.Job} {
			if detail != "" {
				fmt.Fprintf(&text, " (%s)", detail)
			}
		}
		text.WriteString("\n")
	}
	return text.String()
}

func TestTimeline(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(seconds int) time.Time { return began.Add(time.Duration(seconds) * time.Second) }
	// tried is an attempt of a second that began so long after began, and after a redrive then.
	tried := func(number, began, redriven int, failure string) retry.Attempt {
		a := retry.Attempt{Number: number, StartedAt: at(began), DurationMS: 1000, Error: failure}
		if redriven > 0 {
			a.RedrivenAt, a.Redrive = at(redriven), 1
		}
		return a
	}
	byJob := func(a retry.Attempt) retry.Attempt {
		a.Job = "j"
		return a
	}
	for name, tc := range map[string]struct {
		record Record
		want   string
	}{
		"waiting": {
			Record{Status: StatusQueued, CreatedAt: at(0), UpdatedAt: at(0)},
			"0 events accepted\n",
		},
		"at once": {
			Record{Status: StatusProcessed, Attempts: 1, CreatedAt: at(0), UpdatedAt: at(2)},
			"0 events accepted\n2 events processed #1\n",
		},
		"refused the second time": {
			Record{Status: StatusError, Attempts: 2, CreatedAt: at(0), UpdatedAt: at(6),
				History: retry.History{tried(1, 1, 0, "boom"), tried(2, 5, 0, "")}},
			"0 events accepted\n2 events attempt_failed #1 (boom)\n6 events refused #2\n",
		},
		"dead": {
			Record{Status: StatusExported, Attempts: 1, CreatedAt: at(0), UpdatedAt: at(3), History: retry.History{tried(1, 1, 0, "boom")}},
			"0 events accepted\n2 events attempt_failed #1 (boom)\n3 events dead_lettered #1\n",
		},
		"moved back, and not tried yet": {
			Record{Status: StatusRetried, Attempts: 1, CreatedAt: at(0), UpdatedAt: at(9), RedrivenAt: at(9),
				History: retry.History{tried(1, 1, 0, "boom")}},
			"0 events accepted\n2 events attempt_failed #1 (boom)\n2 events dead_lettered #1\n9 events redriven\n",
		},
		"moved back twice, and processed": {
			Record{Status: StatusProcessed, Attempts: 3, CreatedAt: at(0), UpdatedAt: at(31), RedrivenAt: at(20), History: retry.History{
				tried(1, 1, 0, "one"), byJob(tried(2, 11, 10, "two")), tried(3, 30, 20, ""),
			}},
			"0 events accepted\n2 events attempt_failed #1 (one)\n2 events dead_lettered #1\n10 events redriven (j)\n" +
				"12 events attempt_failed #2 (two)\n12 events dead_lettered #2\n20 events redriven\n31 events processed #3\n",
		},
		"with a callback that was moved back": {
			Record{Status: StatusProcessed, Attempts: 1, CreatedAt: at(0), UpdatedAt: at(2), Callback: CallbackRecord{
				Status: CallbackDelivered, Attempts: 2, UpdatedAt: at(12), RedrivenAt: at(10),
				History: retry.History{tried(1, 3, 0, "answered 500"), tried(2, 11, 10, "")},
			}},
			"0 events accepted\n2 events processed #1\n4 callbacks attempt_failed #1 (answered 500)\n4 callbacks dead_lettered #1\n" +
				"10 callbacks redriven\n12 callbacks delivered #2\n",
		},
		"with attempts that are no longer remembered": {
			Record{Status: StatusProcessed, Attempts: 150, CreatedAt: at(0), UpdatedAt: at(91), RedrivenAt: at(80), History: retry.History{
				tried(1, 1, 0, "one"), tried(149, 81, 80, "again"), tried(150, 90, 80, ""),
			}},
			"0 events accepted\n2 events attempt_failed #1 (one)\n2 events omitted [147]\n80 events redriven\n" +
				"82 events attempt_failed #149 (again)\n91 events processed #150\n",
		},
		"by a process whose clock is slow": {
			Record{Status: StatusRetried, Attempts: 1, CreatedAt: at(600), UpdatedAt: at(700), RedrivenAt: at(700),
				History: retry.History{tried(1, 1, 0, "boom")}},
			"600 events accepted\n2 events attempt_failed #1 (boom)\n2 events dead_lettered #1\n700 events redriven\n",
		},
		"dead without an attempt, and moved back": {
			Record{Status: StatusRetried, CreatedAt: at(0), UpdatedAt: at(9), RedrivenAt: at(9)},
			"0 events accepted\n9 events redriven\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, tc.want, told(tc.record.Timeline(), began))
		})
	}
}
