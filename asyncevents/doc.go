// Package asyncevents takes events over HTTP durably, processes them in the background, and calls back when they are done.
package asyncevents
