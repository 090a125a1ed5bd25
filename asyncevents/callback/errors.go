package callback

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/redrive-go/redrive/retry"
)

// Sentinel errors of this package. They come wrapped.
var (
	// ErrForbiddenAddress is returned by Send when the host's address is one that callbacks may not go to, and by
	// Check when the URL's host is such an address itself. Nothing was sent.
	ErrForbiddenAddress = errors.New("address is not allowed")
	// ErrTimeout is returned by Send when there was no answer within Config.Timeout. The receiver may have got the
	// callback all the same.
	ErrTimeout = errors.New("no answer in time")
	// ErrReservedHeader is returned by Send, marked with retry.Permanent, when Request.Headers has a name that is not the
	// caller's to set. Nothing was sent.
	ErrReservedHeader = errors.New("header is reserved")
)

// StatusError is returned by Send for an answer that is not a 2xx. Redirects are such answers.
type StatusError struct {
	// Status is the HTTP status.
	Status int
}

// Error names the status.
func (e *StatusError) Error() string {
	if text := http.StatusText(e.Status); text != "" {
		return fmt.Sprintf("the receiver answered %d %s", e.Status, text)
	}
	return fmt.Sprintf("the receiver answered %d", e.Status)
}

// URLError is returned by Check, and by Send, for a URL that callbacks may not go to. Its text holds nothing of the
// URL, so it can be shown to the client that sent it.
type URLError struct {
	// Reason is what is wrong, to be read after the name of the attribute, such as "must be an https URL".
	Reason string
	err    error
}

// Error is the reason as a sentence.
func (e *URLError) Error() string { return "callback URL " + e.Reason }

// Unwrap returns ErrForbiddenAddress where that is the reason, otherwise nil.
func (e *URLError) Unwrap() error { return e.err }

// networkError is a failure below HTTP. Its text is cut: some of net/http's quote what the receiver sent, up to 64 KiB
// of it.
type networkError struct {
	text string
	err  error
}

func (e *networkError) Error() string { return e.text }
func (e *networkError) Unwrap() error { return e.err }

// failure is the error of an attempt that got no answer because of err. Its context tells a timeout of ours from the
// caller's wish to end.
func failure(ctx context.Context, err error) error {
	var lookup *net.DNSError
	if errors.As(err, &lookup) { // which resolver was asked is nobody's business
		err = fmt.Errorf("lookup %s: %s", lookup.Name, lookup.Err)
		if lookup.IsTimeout {
			err = fmt.Errorf("%w: %w", ErrTimeout, err)
		}
	}
	var timeout net.Error
	switch {
	case errors.Is(err, ErrForbiddenAddress):
		return err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("%w: %w", ErrTimeout, &networkError{retry.CutText(err.Error()), err})
	default:
		return &networkError{retry.CutText(err.Error()), err}
	}
}
