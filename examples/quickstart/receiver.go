package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// receiverHost is where the callbacks of the sample events go. Nobody else has the name: "internal" is reserved for
// private use.
const receiverHost = "receiver.redrive.internal"

// busyAttempts is how many attempts at a callback to /busy are answered with 503: as many as there are before the DLQ, so
// that a redrive succeeds.
const busyAttempts = 5

// maxCallback is the largest callback that is read.
const maxCallback = 1 << 20

// receiver takes the callbacks of the sample events, as a client's server would. It listens on loopback, where callbacks
// must not go: the sender is told its address and certificate, which opens the way for this one host and no other.
type receiver struct {
	listener net.Listener
	server   *http.Server
	cert     *x509.Certificate
	webhook  *standardwebhooks.Webhook
	serving  sync.WaitGroup
	// valid counts callbacks whose signature is right, forged the others.
	valid, forged atomic.Int64
}

// newReceiver starts to listen. It expects signatures by the secret.
func newReceiver(ctx context.Context, secret string, log *slog.Logger) (*receiver, error) {
	webhook, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return nil, fmt.Errorf("start the sample receiver: %w", err)
	}
	certificate, err := newCertificate(receiverHost)
	if err != nil {
		return nil, fmt.Errorf("start the sample receiver: %w", err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the sample receiver: %w", err)
	}
	r := &receiver{listener: listener, cert: certificate.Leaf, webhook: webhook}
	mux := http.NewServeMux()
	mux.Handle("POST /callback", r.verified(r.take))
	mux.Handle("POST /busy", r.verified(r.takeLater))
	r.server = newHTTPServer(mux, log)
	r.server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}}
	r.serving.Go(func() {
		if err := r.server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
			log.Warn("the sample receiver has ended", "error", err)
		}
	})
	return r, nil
}

// close stops at once: callbacks that are cut off are sent again.
func (r *receiver) close() error {
	err := r.server.Close()
	r.serving.Wait()
	return err
}

// address is where the receiver listens.
func (r *receiver) address() netip.AddrPort { return r.listener.Addr().(*net.TCPAddr).AddrPort() }

// roots are the system's authorities and the receiver's own certificate. It is no authority, so it vouches for nobody
// else.
func (r *receiver) roots() *x509.CertPool {
	pool, err := x509.SystemCertPool()
	if err != nil { // a system without any
		pool = x509.NewCertPool()
	}
	pool.AddCert(r.cert)
	return pool
}

// verified answers callbacks whose signature is wrong with 401.
func (r *receiver) verified(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxCallback))
		if err != nil {
			http.Error(w, "the body could not be read", http.StatusBadRequest)
			return
		}
		if err := r.webhook.Verify(body, req.Header); err != nil {
			r.forged.Add(1)
			http.Error(w, "the signature is wrong", http.StatusUnauthorized)
			return
		}
		r.valid.Add(1)
		next(w, req)
	})
}

func (r *receiver) take(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }

func (r *receiver) takeLater(w http.ResponseWriter, req *http.Request) {
	if attempt, err := strconv.Atoi(req.Header.Get("X-Attempt")); err != nil || attempt <= busyAttempts {
		http.Error(w, "busy, on purpose", http.StatusServiceUnavailable)
		return
	}
	r.take(w, req)
}

// newCertificate makes a certificate for one host that nobody has to trust for longer than this process lives.
func newCertificate(host string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		DNSNames:              []string{host},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().AddDate(1, 0, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}
