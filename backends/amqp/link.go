package amqp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	// dialTimeout bounds connecting and logging in.
	dialTimeout = 10 * time.Second
	// heartbeat is after how long a silent connection is asked for a sign of life; three are waited for.
	heartbeat = 5 * time.Second
	// callPatience is how long the broker may take to answer before its connection is given up, at least: one that may take longer
	// to confirm a message may take as long.
	callPatience = 5 * time.Second
	// closePatience is the same for the last call, which ends a connection.
	closePatience = 2 * time.Second
	// redialMost is the longest wait between two tries to connect.
	redialMost = 2 * time.Second
)

// dialing connects, and also returns what the connection stands on.
type dialing func(ctx context.Context) (*amqp.Connection, net.Conn, error)

// link is one connection to the broker, made again whenever it is lost.
type link struct {
	dial     dialing
	patience time.Duration // how long the broker may take to answer
	log      *slog.Logger

	mu      sync.Mutex
	conn    *amqp.Connection
	below   net.Conn      // what conn stands on
	up      chan struct{} // closed while there is a connection
	tried   chan struct{} // closed after the first try to connect
	cause   error         // why there is none
	blocked string        // why the broker takes no messages; "" when it does

	down complaint
}

// errUntried is why there is no connection before the first try.
var errUntried = errors.New("not connected yet")

func newLink(purpose string, dial dialing, cfg *Config) *link {
	log := cfg.Logger.With("connection", purpose)
	return &link{
		dial: dial, patience: patienceOf(cfg), log: log,
		up: make(chan struct{}), tried: make(chan struct{}), cause: errUntried,
		down: complaint{log: log, what: "no connection to the broker; it is tried again"},
	}
}

// patienceOf is how long the broker may take to answer.
func patienceOf(cfg *Config) time.Duration { return max(callPatience, cfg.PublishTimeout) }

// keep connects, again and again, until ctx ends.
func (l *link) keep(ctx context.Context) {
	wait := time.Duration(0)
	for ctx.Err() == nil {
		conn, below, err := l.dial(ctx)
		if err != nil {
			l.lost(explain(err))
			wait = min(max(2*wait, 20*time.Millisecond), redialMost)
			pause(ctx, wait)
			continue
		}
		wait = 0
		l.hold(ctx, conn, below)
	}
}

// hold keeps a connection until it is lost or ctx ends.
func (l *link) hold(ctx context.Context, conn *amqp.Connection, below net.Conn) {
	closed := conn.NotifyClose(make(chan *amqp.Error, 1))
	blockings := conn.NotifyBlocked(make(chan amqp.Blocking, 8))
	l.found(conn, below)
	for {
		select {
		case <-ctx.Done():
			l.lost(ErrClosed)
			late := time.AfterFunc(closePatience, func() { _ = below.Close() })
			_ = conn.Close() // it is given up either way
			late.Stop()
			return
		case b, open := <-blockings:
			if !open {
				blockings = nil
				continue
			}
			l.block(b)
		case err := <-closed:
			if err == nil { // closed without an error: by nobody but us
				l.lost(ErrClosed)
				return
			}
			l.lost(explain(err))
			return
		}
	}
}

func (l *link) found(conn *amqp.Connection, below net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down.end() {
		l.log.Info("amqp: connected to the broker again")
	}
	l.conn, l.below, l.cause, l.blocked = conn, below, nil, ""
	close(l.up)
	l.note()
}

// note notes that there was a first try. The caller holds the lock.
func (l *link) note() {
	select {
	case <-l.tried:
	default:
		close(l.tried)
	}
}

func (l *link) lost(cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil {
		l.conn, l.up = nil, make(chan struct{})
	}
	untried := errors.Is(l.cause, errUntried)
	l.cause, l.blocked = cause, ""
	l.note()
	if errors.Is(cause, ErrClosed) || untried && isFinal(cause) { // that ends the start
		return
	}
	l.down.say(cause)
}

func (l *link) block(b amqp.Blocking) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !b.Active {
		l.blocked = ""
		l.log.Info("amqp: the broker takes messages again")
		return
	}
	l.blocked = b.Reason
	if l.blocked == "" {
		l.blocked = "it does not say why"
	}
	l.log.Warn("amqp: the broker takes no messages for now", "reason", l.blocked)
}

// firstPatience is how long the first try to connect is waited for.
const firstPatience = 5 * time.Second

// first waits for the first try to connect, for a while, and returns an error for what will not pass by itself.
func (l *link) first(ctx context.Context) error {
	patience := time.NewTimer(firstPatience)
	defer patience.Stop()
	select {
	case <-l.tried:
	case <-patience.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if isFinal(l.cause) {
		return l.cause
	}
	return nil
}

// within does something that waits for the broker to answer. A connection on which that takes too long is cut, which ends the wait, and
// made again: neither amqp091-go nor the heartbeats of a broker that takes no messages would end it.
func (l *link) within(conn *amqp.Connection, do func() error) error {
	late := time.AfterFunc(l.patience, func() { l.cut(conn) })
	defer late.Stop()
	return do()
}

// channel opens a channel.
func (l *link) channel(conn *amqp.Connection) (ch *amqp.Channel, err error) {
	err = l.within(conn, func() error {
		ch, err = conn.Channel()
		return err
	})
	return ch, err
}

// cut ends a connection without asking the broker.
func (l *link) cut(conn *amqp.Connection) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == conn {
		l.log.Warn("amqp: the broker does not answer; another connection is made")
		_ = l.below.Close() // it is given up either way
	}
}

// now returns the connection, or ErrDisconnected.
func (l *link) now() (*amqp.Connection, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == nil {
		return nil, fmt.Errorf("%w: %w", ErrDisconnected, l.cause)
	}
	return l.conn, nil
}

// open returns the connection where the broker takes messages, or else ErrDisconnected or ErrBlocked.
func (l *link) open() (*amqp.Connection, error) {
	conn, err := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil && l.blocked != "" {
		err = fmt.Errorf("%w: %s", ErrBlocked, l.blocked)
	}
	return conn, err
}

// await returns the connection once there is one, or the error of ctx.
func (l *link) await(ctx context.Context) (*amqp.Connection, error) {
	for {
		l.mu.Lock()
		conn, up := l.conn, l.up
		l.mu.Unlock()
		if conn != nil {
			return conn, nil
		}
		select {
		case <-up:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// dialer returns what connects to a URL.
func dialer(url string, cfg *Config, purpose string) dialing {
	return func(ctx context.Context) (conn *amqp.Connection, below net.Conn, err error) {
		conn, err = amqp.DialConfig(url, amqp.Config{
			Heartbeat:       heartbeat,
			TLSClientConfig: cfg.TLS.Clone(),
			Properties:      amqp.Table{"product": "redrive", "connection_name": "redrive: " + purpose},
			Dial: func(network, address string) (net.Conn, error) {
				if below, err = (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, network, address); err != nil {
					return nil, err
				}
				// amqp091-go takes it back when the login is done.
				if err := below.SetDeadline(time.Now().Add(dialTimeout)); err != nil {
					return nil, errors.Join(err, below.Close())
				}
				return newWire(below, patienceOf(cfg)), nil
			},
		})
		return conn, below, err
	}
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
