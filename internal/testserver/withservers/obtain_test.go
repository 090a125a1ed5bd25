package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/internal/testserver"
)

// place is a machine made up. It notes what was done on it.
type place struct {
	dsn             string // given by the environment
	programs        bool   // those of the server are installed
	helpers         bool   // those of single tests are installed
	docker          error
	apt             error
	broken          error // why installed programs do not start
	did             []string
	installsNothing bool
}

var testKind = testserver.Kind{
	Name:     "Testbase",
	Variable: "REDRIVE_TEST_TESTBASE",
	Programs: []testserver.Program{{"testbased"}},
	Helpers:  []testserver.Program{{"testpool"}},
}

var testKinds = []testserver.Kind{testKind}

func (p *place) given(testserver.Kind) string { return p.dsn }

func (p *place) missing(programs ...testserver.Program) error {
	for _, program := range programs {
		if program.String() == "testbased" && !p.programs || program.String() == "testpool" && !p.helpers {
			return fmt.Errorf("%s: %w", program, testserver.ErrNotInstalled)
		}
	}
	return nil
}

func (p *place) start(_ context.Context, k testserver.Kind) (*used, error) {
	if err := p.missing(k.Programs...); err != nil {
		return nil, err
	}
	p.did = append(p.did, "start")
	if p.broken != nil {
		return nil, p.broken
	}
	return &used{kind: k, dsn: "private", how: "started testbased 1"}, nil
}

func (p *place) up(_ context.Context, k testserver.Kind) (*used, error) {
	if p.docker != nil {
		return nil, p.docker
	}
	p.did = append(p.did, "up")
	return &used{kind: k, dsn: "composed", how: "Docker Compose"}, nil
}

func (p *place) install(context.Context, testserver.Kind) error {
	if p.apt != nil {
		return p.apt
	}
	p.did = append(p.did, "install")
	if !p.installsNothing {
		p.programs, p.helpers = true, true
	}
	return nil
}

func TestObtain(t *testing.T) {
	t.Parallel()
	var (
		noDocker = fmt.Errorf("Docker Compose: %w", errUnavailable)
		noApt    = fmt.Errorf("packages: %w", errUnavailable)
		broken   = errors.New("out of\nmemory")
		noPull   = errors.New("cannot pull")
	)
	for name, c := range map[string]struct {
		place    place
		required bool
		dsn      string // "" if there is none
		did      []string
		says     string
	}{
		"given": {
			place: place{dsn: "theirs", programs: true, helpers: true},
			dsn:   "theirs", says: "Testbase: given by REDRIVE_TEST_TESTBASE\n",
		},
		"given, without programs": {
			place: place{dsn: "theirs"},
			dsn:   "theirs", says: "single tests need more: testbased: not installed",
		},
		"given, and nothing may be skipped": {
			place: place{dsn: "theirs", programs: true}, required: true,
			dsn: "theirs", did: []string{"install"}, says: "Testbase: given by REDRIVE_TEST_TESTBASE\n",
		},
		"programs before Docker": {
			place: place{programs: true, helpers: true},
			dsn:   "private", did: []string{"start"}, says: "Testbase: started testbased 1\n",
		},
		"helpers alone are not worth an installation": {
			place: place{programs: true},
			dsn:   "private", did: []string{"start"}, says: "single tests need more: testpool: not installed",
		},
		"helpers when nothing may be skipped": {
			place: place{programs: true}, required: true,
			dsn: "private", did: []string{"install", "start"}, says: "Testbase: started testbased 1\n",
		},
		"helpers that cannot be installed": {
			place: place{programs: true, apt: noApt}, required: true,
			dsn: "private", did: []string{"start"}, says: "single tests need more: testpool: not installed; packages: not available",
		},
		"Docker before packages": {
			dsn: "composed", did: []string{"up"}, says: "Testbase: Docker Compose\n",
		},
		"Docker for programs that do not start": {
			place: place{programs: true, broken: broken},
			dsn:   "composed", did: []string{"start", "up"}, says: "Docker Compose (since: out of; memory)\n",
		},
		"packages": {
			place: place{docker: noDocker},
			dsn:   "private", did: []string{"install", "start"}, says: "Testbase: started testbased 1, just installed\n",
		},
		"packages for a Docker that cannot": {
			place: place{docker: noPull},
			dsn:   "private", did: []string{"install", "start"}, says: "just installed (since: cannot pull)\n",
		},
		"nothing": {
			place: place{docker: noDocker, apt: noApt},
			says: "Testbase: none. REDRIVE_TEST_TESTBASE is not set; testbased: not installed; Docker Compose: not available; " +
				"packages: not available; its tests are skipped\n",
		},
		"nothing when something is needed": {
			place: place{docker: noDocker, apt: noApt}, required: true,
		},
		"packages without the programs": {
			place: place{docker: noDocker, installsNothing: true},
			did:   []string{"install"}, says: "Testbase: none. ",
		},
		"packages do not help programs that do not start": {
			place: place{programs: true, broken: broken, docker: noDocker},
			did:   []string{"start"}, says: "out of; memory",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			place := c.place
			r := &runner{sources: &place, kinds: testKinds, required: c.required, out: &out}
			found, err := r.obtainAll(t.Context())
			assert.Equal(t, c.did, place.did)
			assert.Contains(t, out.String(), c.says)
			if c.dsn != "" {
				require.NoError(t, err)
				assert.Equal(t, c.dsn, found[0].dsn)
				return
			}
			assert.Equal(t, []*used{nil}, found)
			if !c.required {
				require.NoError(t, err)
				return
			}
			assert.ErrorIs(t, err, errUnavailable)
			assert.ErrorIs(t, err, testserver.ErrNotInstalled)
			assert.ErrorContains(t, err, "REDRIVE_TEST_REQUIRE=1")
		})
	}
}
