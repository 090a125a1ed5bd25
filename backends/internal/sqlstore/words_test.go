package sqlstore

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestWords(t *testing.T) {
	t.Parallel()
	plain := &Words{Now: "clock()", InsertNew: "INSERT", IfNew: "ON CONFLICT DO NOTHING"}
	assert.Equal(t, "INSERT INTO dlqs (a, b) VALUES (?, clock()) ON CONFLICT DO NOTHING",
		plain.Of("{insert new} INTO {dlqs} (a, b) VALUES (?, {now}) {if new}"))
	server := &Words{Lock: "FOR UPDATE", Numbered: true, Table: func(name string) string { return `"s"."p_` + name + `"` }}
	for range 2 { // the second is remembered
		assert.Equal(t, `SELECT a FROM "s"."p_dlqs" WHERE b = $1 AND c = $2 FOR UPDATE`,
			server.Of("SELECT a FROM {dlqs} WHERE b = ? AND c = ? {lock}"))
	}
}

func TestLongStatementsAreNotRemembered(t *testing.T) {
	t.Parallel()
	words := &Words{Now: "clock()"}
	long := "VALUES (?, {now})" + strings.Repeat(", (?, {now})", 1000)
	assert.Equal(t, strings.ReplaceAll(long, "{now}", "clock()"), words.Of(long))
	words.known.Range(func(query, _ any) bool {
		assert.Fail(t, "remembered", query)
		return true
	})
}
