package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/asyncevents/callback"
	"github.com/redrive-go/redrive/retry"
)

// Names of the backends.
const (
	backendMemory   = "memory"
	backendSQLite   = "sqlite"
	backendPostgres = "postgres"
	backendMySQL    = "mysql"
	backendAMQP     = "amqp"
)

// backends are those that this program has.
var backends = []string{backendMemory, backendSQLite, backendPostgres, backendMySQL, backendAMQP}

// options are the flags.
type options struct {
	addr            string
	backend         string
	dsn             string
	storeDSN        string
	outbox          bool
	queuePrefix     string
	samples         bool
	backoff         time.Duration
	concurrency     int
	lease           time.Duration
	referenceStatus bool
	anyAction       bool
	ledger          string
	intakeToken     string
	manageToken     string
	trustedSites    []string
	callbackSecrets []string
	allowPrivate    bool
	exports         string
}

// parseOptions reads the command line. Its error names every faulty flag, or is flag.ErrHelp after the help was printed
// to help.
func parseOptions(args []string, help io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	o.register(flags)
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			printHelp(flags, help)
		}
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("there are flags only, %q is none", flags.Arg(0))
	}
	if err := o.fillPaths(); err != nil {
		return o, err
	}
	return o, o.validate()
}

func (o *options) register(f *flag.FlagSet) {
	f.StringVar(&o.addr, "addr", "127.0.0.1:8080", "`host:port` to listen on; port 0 takes a free one")
	f.StringVar(&o.backend, "backend", backendSQLite,
		"where events are kept: memory, sqlite, postgres or mysql; or amqp, a RabbitMQ that carries them beside\n"+
			"a store that keeps the rest")
	f.StringVar(&o.dsn, "dsn", "", "what the backend connects to: the database file of sqlite, made where missing\n"+
		"(default redrive/quickstart.db in the user's cache folder); postgres://user@host/database;\n"+
		"user:password@tcp(host:3306)/database of mysql; amqp://user:password@host/vhost, or amqps, of amqp\n"+
		"(default "+defaultBroker+")")
	f.StringVar(&o.storeDSN, "store-dsn", "", "the store of -backend amqp: a database file, or the DSN of postgres or mysql as above\n"+
		"(default the file of sqlite)")
	f.BoolVar(&o.outbox, "outbox", false, "take events while the broker of -backend amqp is away: they go through the store first")
	f.StringVar(&o.queuePrefix, "queue-prefix", "", "what the `names` of queues at the broker of -backend amqp begin with")
	f.BoolVar(&o.samples, "samples", true, "send a few sample events at start")
	f.DurationVar(&o.backoff, "backoff", 0, "fixed wait between attempts (default growing: 1s, 4s, 16s, 64s)")
	f.IntVar(&o.concurrency, "concurrency", 0,
		fmt.Sprintf("handlers at once (default %d)", asyncevents.DefaultConcurrency))
	f.DurationVar(&o.lease, "lease", 0,
		fmt.Sprintf("how long a claim holds without renewal (default %s)", asyncevents.DefaultLease))
	f.BoolVar(&o.referenceStatus, "reference-status", false,
		"answer with the reference API's status codes: 200 for 202, 400 for 404")
	f.BoolVar(&o.anyAction, "any-action", false, "take any action and any attributes")
	f.StringVar(&o.ledger, "ledger", "", "`file` to which every handler run that ended appends\n"+
		"\"correlation_id attempt outcome\"; "+
		"outcomes are processed, error, failed, panic")
	f.StringVar(&o.intakeToken, "intake-token", "", "bearer `token` of the intake (default none: open on loopback only)")
	f.StringVar(&o.manageToken, "manage-token", "", "bearer `token`, or password of a browser, of the management\n"+
		"(default none: open on loopback only)")
	f.Var((*list)(&o.trustedSites), "trusted-site", "`host` that callbacks may go to, with its subdomains; repeatable\n"+
		"(default every public https host)")
	f.Var((*list)(&o.callbackSecrets), "callback-secret", "`secret`, whsec_…, that signs callbacks; repeatable\n"+
		"(default one that is made for this run)")
	f.BoolVar(&o.allowPrivate, "allow-private-callbacks", false, "let callbacks go to private addresses and over plain http")
	f.StringVar(&o.exports, "exports", "", "`folder` for export files (default beside the database)")
}

func printHelp(flags *flag.FlagSet, w io.Writer) {
	_, _ = fmt.Fprintln(w, "Usage: quickstart [flags]\n\n"+
		"Redrive on one machine: events in, attempts, callbacks, dead letters, redrive.\n\nFlags:")
	flags.SetOutput(w)
	flags.PrintDefaults()
}

// list is a flag that may be given several times.
type list []string

// String joins the values.
func (l *list) String() string { return strings.Join(*l, ",") }

// Set adds a value.
func (l *list) Set(value string) error {
	*l = append(*l, value)
	return nil
}

// fillPaths sets the places that were not given.
func (o *options) fillPaths() error {
	if o.backend == backendAMQP && o.dsn == "" {
		o.dsn = defaultBroker
	}
	store := o.store()
	inFile := store.kind == backendSQLite
	if inFile && *store.dsn != "" {
		*store.dsn = pathOf(*store.dsn)
		if o.exports == "" {
			o.exports = strings.TrimSuffix(*store.dsn, filepath.Ext(*store.dsn)) + "-exports"
		}
	}
	if o.exports != "" && (*store.dsn != "" || !inFile) {
		return nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return fmt.Errorf("no place for files: %w; set %s and -exports", err, store.flag)
	}
	if inFile && *store.dsn == "" {
		*store.dsn = filepath.Join(cache, "redrive", "quickstart.db")
	}
	if o.exports == "" {
		o.exports = filepath.Join(cache, "redrive", "quickstart-exports")
	}
	return nil
}

// validate returns every fault, joined, each naming its flag.
func (o *options) validate() error {
	return errors.Join(o.validateAddr(), o.validateBackend(), o.validateLimits(), o.validateCallbacks())
}

func (o *options) validateAddr() error {
	host, _, err := net.SplitHostPort(o.addr)
	if err != nil {
		return fmt.Errorf("-addr must be host:port: %w", err)
	}
	if !isLoopback(host) && o.intakeToken == "" && o.manageToken == "" {
		return fmt.Errorf("-addr %s can be reached from outside: set -intake-token and -manage-token, "+
			"or listen on 127.0.0.1", o.addr)
	}
	return nil
}

func (o *options) validateBackend() error {
	switch {
	case !slices.Contains(backends, o.backend):
		return fmt.Errorf("-backend must be one of %s, not %q", strings.Join(backends, ", "), o.backend)
	case o.backend == backendAMQP:
		return o.validateBroker()
	case (o.backend == backendPostgres || o.backend == backendMySQL) && o.dsn == "":
		return fmt.Errorf("-backend %s needs -dsn", o.backend)
	case isBroker(o.dsn):
		return fmt.Errorf("-dsn leads to a broker, which goes with -backend amqp, not with -backend %s", o.backend)
	}
	var faults []error
	for flag, given := range map[string]bool{
		"-store-dsn": o.storeDSN != "", "-outbox": o.outbox, "-queue-prefix": o.queuePrefix != "",
	} {
		if given {
			faults = append(faults, fmt.Errorf("%s goes with -backend amqp, not with -backend %s: leave one of them out", flag, o.backend))
		}
	}
	return errors.Join(faults...)
}

// validateBroker shows neither DSN: they may hold passwords.
func (o *options) validateBroker() error {
	var faults []error
	if !isBroker(o.dsn) {
		faults = append(faults, errors.New("-dsn of -backend amqp must be amqp://user:password@host:port/vhost, or amqps; "+
			"a database goes into -store-dsn"))
	}
	if o.store().kind == "" {
		faults = append(faults, errors.New("-store-dsn must be a database file, postgres://user@host/database, "+
			"or user:password@tcp(host:3306)/database of mysql"))
	}
	return errors.Join(faults...)
}

func (o *options) validateLimits() error {
	var faults []error
	if o.backoff < 0 {
		faults = append(faults, fmt.Errorf("-backoff must not be negative, not %s", o.backoff))
	}
	if o.concurrency < 0 {
		faults = append(faults, fmt.Errorf("-concurrency must be at least 1, not %d", o.concurrency))
	}
	if o.lease != 0 && o.lease < asyncevents.MinLease {
		faults = append(faults, fmt.Errorf("-lease must be at least %s, not %s", asyncevents.MinLease, o.lease))
	}
	return errors.Join(faults...)
}

func (o *options) validateCallbacks() error {
	var faults []error
	for _, site := range o.trustedSites {
		if err := (&callback.Config{TrustedSites: []string{site}}).Validate(); err != nil {
			faults = append(faults, fmt.Errorf("-trusted-site: %w", err))
		}
	}
	for _, secret := range o.callbackSecrets {
		if err := (&callback.Config{Secrets: []string{secret}}).Validate(); err != nil {
			faults = append(faults, fmt.Errorf("-callback-secret: %w", err))
		}
	}
	return errors.Join(faults...)
}

// exposed is whether others than this machine may reach the server.
func (o *options) exposed() bool {
	host, _, err := net.SplitHostPort(o.addr)
	return err != nil || !isLoopback(host)
}

// policy says how often events and callbacks are tried.
func (o *options) policy() retry.Policy {
	if o.backoff == 0 {
		return retry.Policy{}
	}
	return retry.Fixed(o.backoff)
}

// secrets sign the callbacks. A new one is as good as none for receivers outside, but the sample receiver knows it.
func (o *options) secrets() []string {
	if len(o.callbackSecrets) > 0 {
		return o.callbackSecrets
	}
	key := make([]byte, callback.MinSecretBytes)
	_, _ = rand.Read(key) // never fails
	return []string{"whsec_" + base64.StdEncoding.EncodeToString(key)}
}
