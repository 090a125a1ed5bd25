package callback_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/redrive-go/redrive/asyncevents/callback"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func ExampleSender_Send() {
	// The receiver verifies with a library of Standard Webhooks.
	receiver := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		webhook, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			panic(err)
		}
		body, _ := io.ReadAll(r.Body)
		if err := webhook.Verify(body, r.Header); err != nil {
			http.Error(w, "bad signature", http.StatusUnauthorized)
			return
		}
		_, _ = fmt.Fprintf(w, "thanks for %s", body)
	}))
	defer receiver.Close()
	roots := x509.NewCertPool()
	roots.AddCert(receiver.Certificate())

	sender, err := callback.NewSender(&callback.Config{
		Secrets:      []string{secret},
		AllowPrivate: true, // the receiver is on loopback
		RootCAs:      roots,
	})
	if err != nil {
		panic(err)
	}
	defer func() { _ = sender.Close() }()

	response, err := sender.Send(context.Background(), callback.Request{
		ID:            "62cc313988befe60e3413e75",
		CorrelationID: "62cc313988befe60e3413e75",
		Attempt:       1,
		URL:           receiver.URL + "/hook",
		Body:          []byte(`{"status":"processed"}`),
	})
	fmt.Println(response.Status, response.Body, err)
	// Output: 200 thanks for {"status":"processed"} <nil>
}

func ExampleSender_Check() {
	sender, err := callback.NewSender(&callback.Config{TrustedSites: []string{"example.com"}})
	if err != nil {
		panic(err)
	}
	for _, url := range []string{
		"https://hooks.example.com/redrive",
		"https://example.com.evil.example/",
		"https://example.com@evil.example/",
		"http://example.com/",
	} {
		err := sender.Check(url)
		var refused *callback.URLError
		if errors.As(err, &refused) {
			fmt.Println("callback_url", refused.Reason)
			continue
		}
		fmt.Println("fine")
	}
	// Output:
	// fine
	// callback_url must be on a trusted site
	// callback_url must not contain a user
	// callback_url must be an https URL
}

func ExampleSender_Reload() {
	const old, next = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
	config := callback.Config{
		TrustedSites: []string{"example.com"},
		Sites: map[string]callback.Site{"partner.example": {
			Secrets: []string{old}, Headers: map[string]string{"Authorization": "Bearer partner-token"}, Rate: 50,
		}},
	}
	sender, err := callback.NewSender(&config)
	if err != nil {
		panic(err)
	}
	defer func() { _ = sender.Close() }()

	partner := config.Sites["partner.example"]
	partner.Secrets = []string{next, old} // both, until the partner knows the new one
	config.Sites = map[string]callback.Site{"partner.example": partner}
	fmt.Println(sender.Reload(&config))
	// Output: <nil>
}
