package backendtest

import (
	"testing"

	"github.com/redrive-go/redrive/asyncevents"
)

// Harness makes what the suite runs on.
type Harness struct {
	// New returns a backend on a place of its own where nothing is stored yet: a new file, schema or prefix. It is
	// called once for each case, at the same time from several. The suite closes the backend.
	New func(t *testing.T) Instance
	// Persistent is whether what is stored outlives the backend's Close. It must be true exactly when Instance.Reopen is
	// set. Without it the suite asserts that a closed backend answers nothing.
	Persistent bool
}

// Instance is one backend under test.
type Instance struct {
	// Backend is the backend.
	Backend *asyncevents.Backend
	// Reopen opens the same place once more, after Backend was closed. The suite closes what it returns.
	Reopen func(t *testing.T) *asyncevents.Backend
}

// testCase is one case of the contract.
type testCase struct {
	name string
	run  func(t *testing.T, f *fixture)
}

// group is cases of one part of the contract.
type group struct {
	name  string
	cases []testCase
}

var contract = []group{
	{"Backend", backendCases},
	{"Accept", acceptCases},
	{"Withdraw", withdrawCases},
	{"Forget", forgetCases},
	{"Settle", settleCases},
	{"Deliver", deliverCases},
	{"Delay", delayCases},
	{"Lease", leaseCases},
	{"Close", closeCases},
	{"DeadLetters", deadLetterCases},
	{"Finding", findingCases},
	{"Transfer", transferCases},
	{"Redrive", redriveCases},
	{"Jobs", jobCases},
	{"Exports", exportCases},
	{"Import", importCases},
	{"Audit", auditCases},
	{"Traffic", trafficCases},
}

// Run checks that a backend holds to the contract.
func Run(t *testing.T, h Harness) {
	t.Helper()
	run(t, h, contract)
}

func run(t *testing.T, h Harness, groups []group) {
	t.Helper()
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			for _, c := range g.cases {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					c.run(t, newFixture(t, h))
				})
			}
		})
	}
}
