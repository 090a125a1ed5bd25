package callback

import (
	"net/http"
	"strings"
	"time"
)

// Bounds of a Retry-After header. One that asks for more is taken as MaxRetryAfter; one that asks for less, or that
// cannot be read, is ignored.
const (
	MinRetryAfter = 0 * time.Second
	MaxRetryAfter = time.Hour
)

// parseRetryAfter returns the wait that a Retry-After header asks for, seconds or an HTTP date, within the bounds.
func parseRetryAfter(header string, now time.Time) time.Duration {
	header = strings.TrimSpace(header)
	if header != "" && strings.Trim(header, "0123456789") == "" {
		return parseSeconds(header)
	}
	at, err := http.ParseTime(header)
	if err != nil {
		return MinRetryAfter
	}
	return min(max(at.Sub(now), MinRetryAfter), MaxRetryAfter)
}

// parseSeconds stops counting at the bound, so that no number is too long for it.
func parseSeconds(digits string) time.Duration {
	var wait time.Duration
	for _, digit := range digits {
		wait = wait*10 + time.Duration(digit-'0')*time.Second
		if wait >= MaxRetryAfter {
			return MaxRetryAfter
		}
	}
	return wait
}
