package main

import (
	"regexp"
	"strings"
)

// bareWord is what a shell takes as it stands.
var bareWord = regexp.MustCompile(`^[A-Za-z0-9_./:=,@%+-]+$`)

// commandLine is words as they are typed into a shell.
func commandLine(words ...string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = word
		if !bareWord.MatchString(word) {
			quoted[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}
