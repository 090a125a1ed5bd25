package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

const (
	passes = `{"Action":"pass","Package":"p","Test":"TestA"}`
	fails  = `{"Action":"output","Package":"p","Test":"TestB","Output":"boom\n"}` + "\n" +
		`{"Action":"fail","Package":"p","Test":"TestB"}`
	endsBadly  = `{"Action":"fail","Package":"p"}`
	hasNoTests = `{"Action":"skip","Package":"q"}`
	skips      = `{"Action":"output","Package":"p","Test":"TestC","Output":"    c_test.go:1: REASON\n"}` + "\n" +
		`{"Action":"skip","Package":"p","Test":"TestC"}`
)

func skipsFor(reason string) string { return strings.ReplaceAll(skips, "REASON", reason) }

func TestCount(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		good  bool
		lines []string
		tells string
	}{
		"all pass":           {true, []string{passes, hasNoTests}, "1 passed, 0 failed, 0 skipped, 0 of"},
		"one fails":          {false, []string{passes, fails}, "fail: p TestB\nboom\n1 passed, 1 failed"},
		"a package fails":    {false, []string{passes, endsBadly}, "1 passed, 1 failed"},
		"none":               {false, []string{hasNoTests}, "0 passed"},
		"what make says":     {true, []string{"make: entering", passes}, "make: entering\n"},
		"a known skip":       {true, []string{passes, skipsFor(reasons[0])}, "1 skipped, 0 of"},
		"another skip":       {false, []string{passes, skipsFor("no server")}, "no server\n1 passed, 0 failed, 1 skipped, 1 of"},
		"a skip like one":    {false, []string{passes, skipsFor(reasons[0] + " here")}, "1 skipped, 1 of"},
		"one known, one not": {false, []string{passes, skipsFor(reasons[1]), skipsFor("no server")}, "2 skipped, 1 of"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			assert.Equal(t, c.good, count(strings.NewReader(strings.Join(c.lines, "\n")), &out), out.String())
			assert.Contains(t, out.String(), c.tells)
		})
	}
}
