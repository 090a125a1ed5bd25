package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	wmnats "github.com/ThreeDotsLabs/watermill-nats/v2/pkg/nats"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// stream holds the messages of both topics until they are acknowledged.
	stream = "REDRIVE"
	// ackWait is when a message is delivered again that was not acknowledged. An inbox takes milliseconds, and what a replica has
	// in hand when it ends waits as long.
	ackWait = 5 * time.Second
	// patience is how long the server may take to start.
	patience = 10 * time.Second
)

// topics are those of asyncevents.Config.TopicPrefix "redrive.".
var topics = []string{"redrive.events", "redrive.callbacks"}

// bus is JetStream, with a server of its own.
type bus struct {
	server     *server.Server
	conn       *nats.Conn
	js         jetstream.JetStream
	publisher  message.Publisher
	subscriber message.Subscriber
}

func openBus(ctx context.Context, dir string) (*bus, error) {
	b := &bus{}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, step := range []func() error{func() error { return b.serve(dir) }, b.connect, func() error { return b.declare(ctx) }, b.attach} {
		if err := step(); err != nil {
			return nil, errors.Join(err, b.close())
		}
	}
	return b, nil
}

// serve starts the server. It syncs what it stores before it says so, which it would not do by default: an event is answered with
// 202 then.
func (b *bus) serve(dir string) (err error) {
	b.server, err = server.NewServer(&server.Options{
		ServerName: "example", DontListen: true, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: filepath.Join(dir, "jetstream"), SyncAlways: true,
	})
	if err != nil {
		return err
	}
	b.server.Start()
	if !b.server.ReadyForConnections(patience) {
		return errors.New("the server does not start")
	}
	return nil
}

func (b *bus) connect() (err error) {
	if b.conn, err = nats.Connect("", nats.InProcessServer(b.server)); err != nil {
		return err
	}
	b.js, err = jetstream.New(b.conn)
	return err
}

// declare makes the stream, and a durable consumer for each topic, which all replicas share.
func (b *bus) declare(ctx context.Context) error {
	_, err := b.js.CreateStream(ctx, jetstream.StreamConfig{Name: stream, Subjects: topics, Retention: jetstream.WorkQueuePolicy})
	for _, topic := range topics {
		if err != nil {
			return err
		}
		_, err = b.js.CreateConsumer(ctx, stream, jetstream.ConsumerConfig{
			Durable: durable(topic), FilterSubject: topic, AckPolicy: jetstream.AckExplicitPolicy,
			AckWait: ackWait, MaxAckPending: maxPulled,
		})
	}
	return err
}

// durable is the name of a topic's consumer, which holds no dot.
func durable(topic string) string { return strings.ReplaceAll(topic, ".", "-") }

// attach makes Watermill's two sides.
func (b *bus) attach() (err error) {
	b.subscriber = newSubscriber(b.js)
	b.publisher, err = wmnats.NewPublisherWithNatsConn(b.conn, wmnats.PublisherPublishConfig{
		JetStream: wmnats.JetStreamConfig{TrackMsgId: true}, Marshaler: &wmnats.NATSMarshaler{},
		SubjectCalculator: wmnats.DefaultSubjectCalculator,
	}, nil)
	return err
}

// waiting is how many messages of a topic are not acknowledged.
func (b *bus) waiting(ctx context.Context, topic string) (int64, error) {
	consumer, err := b.js.Consumer(ctx, stream, durable(topic))
	if err != nil {
		return 0, err
	}
	info := consumer.CachedInfo()                                  // as of now: it was just asked for
	return int64(info.NumAckPending) + int64(info.NumPending), nil //nolint:gosec // it is no 2^63
}

// ping returns nil while there is a connection.
func (b *bus) ping(context.Context) error {
	if status := b.conn.Status(); status != nats.CONNECTED {
		return fmt.Errorf("the connection to NATS is %s", status)
	}
	return nil
}

// close is called after the backend was closed.
func (b *bus) close() (err error) {
	if b.subscriber != nil {
		err = b.subscriber.Close()
	}
	if b.conn != nil {
		b.conn.Close()
	}
	if b.server != nil {
		b.server.Shutdown()
		b.server.WaitForShutdown()
	}
	return err
}
