package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/redrive-go/redrive/internal/testserver"
)

// errUnavailable is returned by a source that this machine does not offer.
var errUnavailable = errors.New("not available")

// used is a server that the command gets.
type used struct {
	kind testserver.Kind
	dsn  string
	how  string       // what it is, for people
	end  func() error // takes it down; nil if it is not ours
}

// sources are the ways to a server. Those that a machine does not offer return errUnavailable or testserver.ErrNotInstalled.
type sources interface {
	given(k testserver.Kind) (dsn string)
	missing(programs ...testserver.Program) error
	start(ctx context.Context, k testserver.Kind) (*used, error)
	up(ctx context.Context, k testserver.Kind) (*used, error)
	install(ctx context.Context, k testserver.Kind) error
}

// obtain gets one server, and says what it is. An error says why each way to it is closed.
func (r *runner) obtain(ctx context.Context, k testserver.Kind) (*used, error) {
	installed := r.equip(ctx, k)
	u, err := r.seek(ctx, k)
	if err != nil {
		err = fmt.Errorf("%s: none. %w", k.Name, err)
		if !r.required {
			r.say("%s; its tests are skipped", oneLine(err))
		}
		return nil, err
	}
	r.say("%s: %s", k.Name, u.how)
	if lack := r.lack(k); lack != nil { // only now: the way to the server may have been to install it
		r.say("%s: single tests need more: %s", k.Name, oneLine(errors.Join(lack, installed)))
	}
	return u, nil
}

// equip installs whatever tests of the kind may need, if nothing may be skipped.
func (r *runner) equip(ctx context.Context, k testserver.Kind) error {
	if !r.required || r.lack(k) == nil {
		return nil
	}
	return r.sources.install(ctx, k)
}

// lack returns what is missing of the programs that tests of the kind may need.
func (r *runner) lack(k testserver.Kind) error {
	return r.sources.missing(append(slices.Clone(k.Programs), k.Helpers...)...)
}

// seek tries the ways to a server, in the order that the command's documentation names.
func (r *runner) seek(ctx context.Context, k testserver.Kind) (*used, error) {
	if dsn := r.sources.given(k); dsn != "" {
		return &used{kind: k, dsn: dsn, how: "given by " + k.Variable}, nil
	}
	u, started := r.sources.start(ctx, k)
	if started == nil || ctx.Err() != nil {
		return u, started
	}
	u, composed := r.sources.up(ctx, k)
	if composed == nil {
		u.how += because(started)
		return u, nil
	}
	reasons := []error{fmt.Errorf("%s is not set", k.Variable), started, composed}
	if errors.Is(started, testserver.ErrNotInstalled) && ctx.Err() == nil {
		installed := r.sources.install(ctx, k)
		if installed == nil {
			if u, installed = r.sources.start(ctx, k); installed == nil {
				u.how += ", just installed" + because(composed)
				return u, nil
			}
		}
		reasons = append(reasons, installed)
	}
	return nil, errors.Join(reasons...)
}

// because tells of what failed before, unless the machine just does not offer it.
func because(err error) string {
	if errors.Is(err, errUnavailable) || errors.Is(err, testserver.ErrNotInstalled) {
		return ""
	}
	return " (since: " + oneLine(err) + ")"
}

func oneLine(err error) string {
	return strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; ")
}
