package callback

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCheckTrustedSites(t *testing.T) {
	t.Parallel()
	s := senderFor(t, dialHooks{}, func(c *Config) {
		c.AllowPrivate = false
		c.TrustedSites = []string{"Trusted.Example.", "partner.example:8443", "bücher.example", "8.8.8.8", "[2606:4700::1111]:99"}
	})
	for url, reason := range map[string]string{
		"https://trusted.example/cb?token=x":          "",
		"https://TRUSTED.example./":                   "",
		"https://a.b.trusted.example:443/":            "",
		"https://partner.example:8443/":               "",
		"https://a.partner.example:8443/":             "",
		"https://xn--bcher-kva.example/":              "",
		"https://shop.BÜCHER.example/":                "",
		"https://8.8.8.8/":                            "",
		"https://[2606:4700::1111]:99/":               "",
		"https://trusted.example:8443/":               "port",
		"https://partner.example/":                    "port",
		"https://partner.example:8444/":               "port",
		"https://[2606:4700::1111]/":                  "port",
		"http://trusted.example/":                     "https",
		"https://trusted.example@evil/":               "user",
		"https://trusted.example.evil/":               "trusted site",
		"https://nottrusted.example/":                 "trusted site",
		"https://trusted.example.evil.example/":       "trusted site",
		"https://evil.example/trusted.example":        "trusted site",
		"https://evil.example/?u=trusted.example":     "trusted site",
		"https://evil.example#trusted.example":        "trusted site",
		"https://evil.example/#@trusted.example/":     "trusted site",
		"https://example/":                            "trusted site",
		"https://8.8.4.4/":                            "trusted site",
		"https://evil.8.8.8.8/":                       "IPv4",
		"https://trusted.example%00.evil/":            "valid",
		`https://evil\.trusted.example/`:              "valid",
		"https://trusted.example:443@evil.example/cb": "user",
	} {
		requireReason(t, s, url, reason)
	}
}

func TestCheckWithoutTrustedSites(t *testing.T) {
	t.Parallel()
	s := senderFor(t, dialHooks{}, func(c *Config) { c.AllowPrivate = false })
	for url, reason := range map[string]string{
		"https://anything.example/":      "",
		"https://1.1.1.1/":               "",
		"https://[2606:4700::1111]/":     "",
		"https://anything.example:8443/": "port",
		"https://anything.example:22/":   "port",
		"http://anything.example/":       "https",
		"https://127.0.0.1/":             "not public",
		"https://10.1.2.3/":              "not public",
		"https://169.254.169.254/":       "not public",
		"https://168.63.129.16/":         "not public",
		"https://[::1]/":                 "not public",
		"https://[2002:7f00:1::]/":       "not public",
	} {
		requireReason(t, s, url, reason)
	}
	assert.ErrorIs(t, s.Check("https://127.0.0.1/"), ErrForbiddenAddress)
	assert.NotErrorIs(t, s.Check("https://a.example:22/"), ErrForbiddenAddress)
}

func TestCheckAllowPrivate(t *testing.T) {
	t.Parallel()
	open := senderFor(t, dialHooks{}, nil)
	local := senderFor(t, dialHooks{}, func(c *Config) { c.TrustedSites = []string{"localhost", "127.0.0.1:9"} })
	for url, reasons := range map[string][2]string{
		"http://localhost:4711/":       {"", ""},
		"https://a.localhost/":         {"", ""},
		"http://127.0.0.1:9/":          {"", ""},
		"http://127.0.0.1:10/":         {"", "port"},
		"https://10.0.0.1:1/":          {"", "trusted site"},
		"http://[fd12::1]/":            {"", "trusted site"},
		"http://169.254.169.254/":      {"not public", "trusted site"},
		"http://[fd00:ec2::254]/":      {"not public", "trusted site"},
		"http://100.100.100.200/":      {"not public", "trusted site"},
		"http://0.0.0.0/":              {"not public", "trusted site"},
		"http://[64:ff9b::a00:1]/":     {"not public", "trusted site"},
		"ftp://localhost/":             {"https", "https"},
		"http://root:toor@localhost/x": {"user", "user"},
	} {
		requireReason(t, open, url, reasons[0])
		requireReason(t, local, url, reasons[1])
	}
}

// requireReason asserts that Check refuses url for this reason, "" for not at all.
func requireReason(t *testing.T, s *Sender, url, reason string) {
	t.Helper()
	err := s.Check(url)
	if reason == "" {
		assert.NoError(t, err, url)
		return
	}
	var refused *URLError
	require.ErrorAs(t, err, &refused, url)
	assert.Contains(t, refused.Reason, reason, url)
	assert.True(t, strings.HasPrefix(refused.Reason, "must"), "reads on after the attribute's name: %s", refused.Reason)
}
