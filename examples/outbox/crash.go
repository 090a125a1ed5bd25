package main

import (
	"errors"

	"github.com/redrive-go/redrive/asyncevents"
)

// crash is where the first attempt at an order ends early: an error there leaves in the database what the death of the
// process would. None does where it is empty.
type crash string

const (
	beforeCommit crash = "before commit"
	afterCommit  crash = "after commit"
)

var errCrash = errors.New("the processor crashed")

// at returns an error when this is where the attempt ends.
func (c crash) at(place crash, event asyncevents.Event) error {
	if c == place && event.Attempt == 1 {
		return errCrash
	}
	return nil
}
