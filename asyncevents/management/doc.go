// Package management serves what operators need to look into the dead-letter queues of a Service and to empty them: a
// JSON API below "api/" and plain web pages, both from one http.Handler.
//
//	authorize := management.Token(os.Getenv("MANAGE_TOKEN"))
//	handler, err := management.Handler(service, authorize, nil)
//	if err != nil {
//		return err
//	}
//	mux.Handle("/manage/", handler)
//
// The handler is closed by default: it cannot be built without an Authorizer, and an Authorizer that returns an
// error or panics denies the request. Requests that change something are refused when a browser sent them from
// another origin. Each of them, and each download, leaves one row in the audit log, whether it was allowed, denied or
// failed. An audit row that cannot be written does not undo what was done; it is logged as an error.
//
// An Authorizer decides on each Action by itself. What somebody may not do is refused, and not offered on the pages.
// Payloads are shown to those who have ActionViewPayload, as Config.Redact has them shown.
//
// Payloads, error texts and ids are shown as text, never as markup. The pages need no script and load nothing
// from elsewhere. The handler may be mounted anywhere, with or without its prefix stripped; see Config.Base. It
// starts no goroutines, so there is nothing to close, and it may be used by any number of requests at once.
package management
