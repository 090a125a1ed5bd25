package main

import (
	"flag"
	"fmt"
	"strconv"
)

// caution is how a job is to be run, so that it ends by itself before it has done harm.
type caution struct {
	Canary   *canary `json:"canary"`
	StopOver float64 `json:"stop_over_percent"`
	Single   bool    `json:"single_attempt"`
}

// canary is a first batch whose outcome decides whether the job goes on.
type canary struct {
	Entries int `json:"entries"`
	// Percent is how much of it has to be processed; nil is the server's default.
	Percent *float64 `json:"min_processed_percent,omitempty"`
}

func (c *caution) register(f *flag.FlagSet) {
	first := func() *canary {
		if c.Canary == nil {
			c.Canary = &canary{}
		}
		return c.Canary
	}
	f.Func("canary", "move so many `entries` first, and go on only if enough of them are processed", func(text string) (err error) {
		first().Entries, err = strconv.Atoi(text)
		return notNumber(err, "a whole number")
	})
	f.Func("canary-percent", "how many `percent` of the canary are enough (default 100)", func(text string) error {
		percent, err := strconv.ParseFloat(text, 64)
		first().Percent = &percent
		return notNumber(err, "a number of percent")
	})
	f.BoolVar(&c.Single, "single-attempt", false, "give what is moved one attempt, instead of as many as usual")
	f.Float64Var(&c.StopOver, "stop-over", 0, "stop when more than so many `percent` of what was moved come back; 0 is never")
}

// check refuses a canary of nothing, which would let everything through.
func (c *caution) check(command string) error {
	if c.Canary != nil && c.Canary.Entries < 1 {
		return newUsage(command, "-canary must be at least 1, and -canary-percent goes with it")
	}
	return nil
}

// addTo puts what was chosen into the fields of a call.
func (c *caution) addTo(fields map[string]any) {
	if c.Canary != nil {
		fields["canary"] = c.Canary
	}
	if c.Single {
		fields["single_attempt"] = true
	}
	if c.StopOver != 0 {
		fields["stop_over_percent"] = c.StopOver
	}
}

// flags is the caution as words of a command line.
func (c *caution) flags() (words []string) {
	if c.Canary != nil {
		words = append(words, "-canary", strconv.Itoa(c.Canary.Entries))
		if c.Canary.Percent != nil {
			words = append(words, "-canary-percent", percent(*c.Canary.Percent))
		}
	}
	if c.StopOver != 0 {
		words = append(words, "-stop-over", percent(c.StopOver))
	}
	if c.Single {
		words = append(words, "-single-attempt")
	}
	return words
}

// rows say for people how the job is run.
func (c *caution) rows() [][]string {
	first, stop, attempts := "none", "never", "as many as usual"
	if c.Canary != nil {
		first = fmt.Sprintf("%d entries first", c.Canary.Entries)
		if c.Canary.Percent != nil {
			first += ", of which " + percent(*c.Canary.Percent) + " % have to be processed"
		}
	}
	if c.StopOver != 0 {
		stop = "when more than " + percent(c.StopOver) + " % come back"
	}
	if c.Single {
		attempts = "a single one"
	}
	return [][]string{{"canary", first}, {"stops by itself", stop}, {"attempts each", attempts}}
}

func percent(n float64) string { return strconv.FormatFloat(n, 'g', -1, 64) }
