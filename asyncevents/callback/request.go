package callback

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redrive-go/redrive/retry"
)

// Request is one attempt at a callback.
type Request struct {
	// ID is the webhook-id header, by which a receiver knows the callback again: the same on every attempt and after
	// a redrive.
	ID string
	// CorrelationID is the X-Correlation-ID header: the event that the callback is about.
	CorrelationID string
	// Attempt is the X-Attempt header: the number of this attempt, from 1.
	Attempt int
	// URL is where it goes.
	URL string
	// Headers are sent in addition, such as traceparent. The names that Send sets itself, those that belong to the
	// connection or to net/http (Host, Transfer-Encoding, …), and those that carry somebody's rights (Authorization, Cookie,
	// X-Forwarded-…) make Send return ErrReservedHeader.
	Headers map[string]string
	// Body is the JSON that is posted. It must not be changed until Send has returned.
	Body []byte
}

// sendsOwn are names that nobody but Send sets, in canonical form.
var sendsOwn = map[string]bool{
	// Set by Send.
	"Content-Type": true, "User-Agent": true, "X-Attempt": true, "X-Correlation-Id": true,
	// Of the connection, or read by net/http. The idempotency keys would make it send a POST twice in one attempt.
	"Accept-Encoding": true, "Connection": true, "Content-Encoding": true, "Content-Length": true, "Expect": true,
	"Host": true, "Idempotency-Key": true, "Keep-Alive": true, "Te": true, "Trailer": true, "Transfer-Encoding": true,
	"Upgrade": true, "X-Idempotency-Key": true,
}

// rights are names of headers that carry somebody's rights, which only the host may give.
var rights = map[string]bool{"Authorization": true, "Cookie": true, "Forwarded": true, "X-Real-Ip": true}

// rightsPrefixes are beginnings of such names: proxies, cloud metadata services and their like.
var rightsPrefixes = []string{"X-Forwarded-", "Metadata", "X-Aws-Ec2-Metadata-", "X-Google-Metadata-"}

// isSendsOwn is whether Site.Headers must not have a name.
func isSendsOwn(name string) bool {
	name = textproto.CanonicalMIMEHeaderKey(name)
	return sendsOwn[name] || strings.HasPrefix(name, "Webhook-") || strings.HasPrefix(name, "Proxy-")
}

// isReserved is whether Request.Headers must not have a name.
func isReserved(name string) bool {
	name = textproto.CanonicalMIMEHeaderKey(name)
	begins := func(prefix string) bool { return strings.HasPrefix(name, prefix) }
	return isSendsOwn(name) || rights[name] || slices.ContainsFunc(rightsPrefixes, begins)
}

// build makes the HTTP request of r to t, signed as sent at that time.
func (s *Sender) build(ctx context.Context, r Request, t target, terms *terms, at time.Time) (*http.Request, error) {
	// Not by http.NewRequest: it would read again the URL that was admitted.
	request := (&http.Request{
		Method: http.MethodPost, URL: t.url, Header: make(http.Header, len(r.Headers)+len(terms.headers)+8),
		Body: io.NopCloser(bytes.NewReader(r.Body)), ContentLength: int64(len(r.Body)),
		GetBody: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(r.Body)), nil },
	}).WithContext(ctx)
	for name, value := range r.Headers {
		if isReserved(name) {
			return nil, retry.Permanent(fmt.Errorf("%w: %q", ErrReservedHeader, name))
		}
		request.Header.Set(name, value)
	}
	for name, value := range terms.headers {
		request.Header.Set(name, value)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", s.cfg.UserAgent)
	request.Header.Set("Webhook-Id", r.ID)
	request.Header.Set("Webhook-Timestamp", strconv.FormatInt(at.Unix(), 10))
	if signature := terms.signer.sign(r.ID, at, r.Body); signature != "" {
		request.Header.Set("Webhook-Signature", signature)
	}
	request.Header.Set("X-Correlation-Id", r.CorrelationID)
	request.Header.Set("X-Attempt", strconv.Itoa(r.Attempt))
	return request, nil
}
