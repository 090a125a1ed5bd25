package callback

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestParseRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"":                       0,
		"0":                      0,
		"120":                    2 * time.Minute,
		" 120 ":                  2 * time.Minute,
		"3600":                   time.Hour,
		"3601":                   time.Hour,
		"1000000000":             time.Hour,
		strings.Repeat("9", 500): time.Hour,
		"-1":                     0,
		"+5":                     0,
		"1e9":                    0,
		"1.5":                    0,
		"soon":                   0,
		"0x10":                   0,
		now.Add(90 * time.Second).Format(http.TimeFormat): 90 * time.Second,
		now.Add(-time.Minute).Format(http.TimeFormat):     0,
		now.AddDate(100, 0, 0).Format(http.TimeFormat):    time.Hour,
		"Sun, 99 Mar 2026 12:00:00 GMT":                   0,
	} {
		assert.Equal(t, want, parseRetryAfter(header, now), "%.40q", header)
	}
}
