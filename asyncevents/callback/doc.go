// Package callback posts the outcome of an event to the URL that its client gave: one signed HTTP attempt at a time, to
// addresses that anybody may choose.
//
//	sender, err := callback.NewSender(&callback.Config{
//		Secrets:      []string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
//		TrustedSites: []string{"example.com", "partner.example:8443"},
//	})
//	...
//	defer sender.Close()
//	if err := sender.Check(url); err != nil {
//		// *URLError: tell the client
//	}
//	response, err := sender.Send(ctx, callback.Request{ID: id, CorrelationID: id, Attempt: 1, URL: url, Body: body})
//
// Queueing, counting attempts, waiting in between and the DLQ are the caller's part. An error of Send fits into
// retry.Policy.Next, which then honours a Retry-After that the receiver sent.
//
// # Guarantees
//
// A URL from outside can name anything that this process reaches, so three walls stand between the two:
//
//   - Check reads the URL: https, no user, a plain host, a trusted site, a port that is allowed. It resolves no name.
//   - The guard decides when a connection is made, on the address that is about to be connected to. A name that
//     answered with a public address before and a private one now is refused before a byte has left.
//   - No redirect is followed, and no proxy is taken from the environment: either would move the decision elsewhere. That is
//     what Config.Proxy does: then the proxy has to keep names from private addresses.
//
// Only the host can open a way through them: to a receiver that it names in Config.Addresses, or, to try things out, with
// Config.AllowPrivate.
//
// An attempt ends at Config.Timeout whatever the receiver does, and reads at most Config.MaxResponseBytes of what it
// sends. Compressed answers are not inflated.
//
// Callbacks are signed as Standard Webhooks 1.0.0 says, and can be verified with any of its libraries:
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
//
// # Hosts
//
// A host that hangs must not take the places of callbacks to others. Send returns a *BusyError, at once or within a second,
// when a host has as many callbacks on their way as it may have, is spared because it failed ten times in a row, or would
// be called faster than its Site allows: nothing was sent, and no attempt should be counted. BusyError.After says when to come
// again. What is known of a host is known to this Sender only.
//
// # Concurrency and shutdown
//
// A Sender may be used from any number of goroutines; Config.Concurrency is how many there are. All of them share one
// transport and its connections. Reload replaces secrets and sites while it is used. Close, after the last Send has
// returned, closes the connections.
package callback
