// Package retry decides how often something is tried and how long it waits in between, and moves dead letters back in batches.
package retry
