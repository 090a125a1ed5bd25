package callback

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseTargetDialsWhatItJudged(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"https://Example.COM":                       "https://example.com",
		"HTTPS://example.com./a?b=c#d":              "https://example.com/a?b=c",
		"https://example.com:443/":                  "https://example.com/",
		"https://example.com:/":                     "https://example.com/",
		"https://example.com:0443/":                 "https://example.com/",
		"https://example.com:8443/":                 "https://example.com:8443/",
		"http://example.com:80/":                    "http://example.com/",
		"http://example.com:443/":                   "http://example.com:443/",
		"https://bücher.example/":                   "https://xn--bcher-kva.example/",
		"https://xn--bcher-kva.example/":            "https://xn--bcher-kva.example/",
		"https://BÜCHER.example/":                   "https://xn--bcher-kva.example/",
		"https://１.2.3.4/":                          "https://1.2.3.4/",
		"https://8。8。8。8/":                          "https://8.8.8.8/",
		"https://[2606:4700:0:0:0:0:0:1111]/":       "https://[2606:4700::1111]/",
		"https://[2606:4700::1111]:8443/x":          "https://[2606:4700::1111]:8443/x",
		"https://my_host.example/":                  "https://my_host.example/",
		"https://example.com/?next=http://10.0.0.1": "https://example.com/?next=http://10.0.0.1",
	} {
		got, err := parseTarget(raw)
		if assert.NoError(t, err, raw) {
			assert.Equal(t, want, got.url.String(), raw)
		}
	}
}

func TestParseTargetRefuses(t *testing.T) {
	t.Parallel()
	long := "https://example.com/" + strings.Repeat("x", MaxURLLength)
	for raw, reason := range map[string]string{
		"":                                     "https",
		"/relative":                            "https",
		"//example.com/":                       "https",
		"ftp://example.com":                    "https",
		"javascript:alert(1)":                  "https",
		"https:example.com":                    "absolute",
		"https://":                             "absolute",
		"https:///path":                        "absolute",
		"https://:8443/":                       "absolute",
		"https://user@example.com/":            "user",
		"https://user:pass@example.com/":       "user",
		"https://@example.com/":                "user",
		"https://trusted.example@evil/":        "user",
		`https://trusted.example\@evil/`:       "valid",
		" https://example.com":                 "valid",
		"https://example.com\r\nX: y":          "valid",
		"https://exa mple.com":                 "valid",
		"https://example.com:99999":            "port",
		"https://example.com:0":                "port",
		"https://example.com:-1":               "valid",
		"https://example..com":                 "host name",
		"https://example.com..":                "host name",
		"https://.example.com":                 "host name",
		"https://exa$mple.com":                 "host name",
		"https://*.example.com":                "host name",
		"https://" + strings.Repeat("a", 64):   "host name",
		"https://" + strings.Repeat("a.", 128): "host name",
		long:                                   "2048 bytes",
		"https://" + strings.Repeat("é.", 128): "host name",
		"https://2130706433/":                  "IPv4",
		"https://0x7f000001/":                  "IPv4",
		"https://0x7f.1/":                      "IPv4",
		"https://0x7F.0x1/":                    "IPv4",
		"https://0177.0.0.1/":                  "IPv4",
		"https://127.1/":                       "IPv4",
		"https://127.0.1/":                     "IPv4",
		"https://127.0.0.1.1/":                 "IPv4",
		"https://127.0.0.01/":                  "IPv4",
		"https://1/":                           "IPv4",
		"https://0/":                           "IPv4",
		"https://0x/":                          "IPv4",
		"https://a.example.0x7f/":              "IPv4",
		"https://１２７.1/":                       "IPv4",
		"https://[::1%25eth0]/":                "IPv6",
		"https://[fe80::1%25lo]/":              "IPv6",
		"https://[::ffff:8.8.8.8]/":            "IPv6",
		"https://[::ffff:7f00:1]/":             "IPv6",
		"https://127%2e0%2e0%2e1/":             "valid",
		"https://[::1/":                        "valid",
	} {
		_, err := parseTarget(raw)
		var refused *URLError
		if assert.ErrorAs(t, err, &refused, "%.80q", raw) {
			assert.Contains(t, refused.Reason, reason, "%.80q", raw)
			assert.NotContains(t, refused.Error(), "example")
		}
	}
}

func FuzzParseTarget(f *testing.F) {
	for _, seed := range []string{"https://example.com/a?b", "https://[::1]:1/", "https://１.2.3.4", "https://a@b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		first, err := parseTarget(raw)
		if err != nil {
			return
		}
		again, err := parseTarget(first.url.String())
		if len(first.url.String()) > MaxURLLength { // escaping may lengthen it
			return
		}
		require.NoError(t, err, "the canonical form of %q", raw)
		require.Equal(t, first.url.String(), again.url.String())
		require.Equal(t, first.host, again.host)
		require.Equal(t, first.port, again.port)
		require.Nil(t, again.url.User)
	})
}
