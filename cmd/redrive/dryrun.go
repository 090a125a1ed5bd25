package main

import "encoding/json"

// dryRun is how many entries a command would have meant.
type dryRun struct {
	DryRun bool  `json:"dry_run"`
	Count  int64 `json:"count"`
}

// showCount says how many entries a command would have done something to.
func (s *session) showCount(count int64, queue string, which *filter, what string) error {
	if s.json() {
		raw, err := json.Marshal(dryRun{DryRun: true, Count: count})
		if err != nil {
			return err
		}
		if err := s.printJSON(raw); err != nil {
			return err
		}
	} else if count > 0 {
		s.tell("%s would %s; nothing was done", which.entries(count), what)
	}
	if count == 0 {
		return newNothing(which.entries(0) + " in the DLQ of " + queue)
	}
	return nil
}
