package main

import (
	"slices"
	"strings"
)

// reasons are those for which Watermill's suite may skip a case: what no backend promises.
var reasons = []string{
	"order is not guaranteed",
	"guaranteed order is required for this test",
	"consumer groups are not supported",
	"only subscribers with TestNewSubscriberReceivesOldMessages are supported",
	// What has no form for exactly-once delivery is run without.
	"ExactlyOnceDelivery test is not supported yet",
	// The suite runs on servers that are shared; asyncevents runs this case on servers of its own.
	"no RestartServiceCommand provided, cannot test reconnect",
}

// known tells whether a test that was skipped says one of the reasons.
func known(output []string) bool {
	return slices.ContainsFunc(output, func(line string) bool {
		return slices.ContainsFunc(reasons, func(reason string) bool {
			return strings.HasSuffix(line, ": "+reason+"\n")
		})
	})
}
