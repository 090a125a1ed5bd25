// Package soak tells tests whether they run in their long forms, as make soak has them do. Each has a short form, which shows the
// same of less.
package soak

import "os"

// Variable is the environment variable that has tests run in their long forms, with any value.
const Variable = "REDRIVE_SOAK"

// On is whether tests run in their long forms.
func On() bool { return os.Getenv(Variable) != "" }

// Long returns the number for the short form of a case, or the one for its long form.
func Long[N any](short, long N) N {
	if On() {
		return long
	}
	return short
}
