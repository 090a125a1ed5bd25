package backendtest

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/internal/soak"
)

// telling are the cases that depend most on how a backend is connected, by their group: what is sent and read in every form, what
// many do at the same time, what ends in the middle, and what has to be there for another process.
var telling = map[string][]string{
	"Backend":     {"reopened everything is there"},
	"Accept":      {"makes one event of calls at the same time", "takes any body", "takes many together"},
	"Withdraw":    {"with an ended context all or nothing"},
	"Settle":      {"publishes a callback with the outcome", "a lost claim and the present one are told apart together"},
	"Deliver":     {"payloads arrive byte for byte", "metadata arrives as it is", "each message once"},
	"Lease":       {"many claims are renewed, and lost ones are told apart"},
	"Close":       {"waits for handlers and settles them"},
	"DeadLetters": {"any payload and metadata", "erase up to a bound while entries come in"},
	"Redrive":     {"one entry 100 times at once moves it once"},
	"Jobs":        {"started at once, one runs"},
	"Exports":     {"claimed at once, each by one"},
	"Traffic":     {"noted at once, nothing is lost"},
}

// RunVariant checks a backend that is also checked by Run, and differs in nothing but how it is connected: by the cases that
// depend most on that, or by all of them when REDRIVE_SOAK is set.
func RunVariant(t *testing.T, h Harness) {
	t.Helper()
	if soak.On() {
		Run(t, h)
		return
	}
	var chosen []group
	for _, g := range contract {
		cases := slices.DeleteFunc(slices.Clone(g.cases), func(c testCase) bool { return !slices.Contains(telling[g.name], c.name) })
		require.Len(t, cases, len(telling[g.name]), "of the cases of %s", g.name)
		if len(cases) > 0 {
			chosen = append(chosen, group{g.name, cases})
		}
	}
	run(t, h, chosen)
}
