package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	amqp091 "github.com/rabbitmq/amqp091-go"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/backends/amqp"
)

// rabbitmqPlace names queues of the benchmark's own on the broker, and a SQLite file beside it.
func rabbitmqPlace(tb testing.TB) string {
	if os.Getenv("REDRIVE_TEST_AMQP") == "" {
		tb.Skip("REDRIVE_TEST_AMQP names no RabbitMQ server")
	}
	prefix := fmt.Sprintf("bench-%x-", rand.Uint64())
	tb.Cleanup(func() {
		onRabbitMQ(tb, func(ch *amqp091.Channel) {
			for _, topic := range []string{"bench", "redrive.events", "redrive.callbacks"} {
				for _, beside := range []string{"", "#dropped"} {
					_, err := ch.QueueDelete(prefix+topic+beside, false, false, false)
					must(tb, err)
				}
			}
		})
	})
	return prefix + "|" + databaseFile(tb)
}

func openRabbitMQ(ctx context.Context, place string) (*asyncevents.Backend, error) {
	prefix, path, _ := strings.Cut(place, "|")
	store, err := openSQLite(ctx, path)
	if err != nil {
		return nil, err
	}
	return amqp.Open(ctx, os.Getenv("REDRIVE_TEST_AMQP"), store, &amqp.Config{QueuePrefix: prefix, Logger: quiet, PublishTimeout: time.Minute})
}

func onRabbitMQ(tb testing.TB, do func(*amqp091.Channel)) {
	conn, err := amqp091.Dial(os.Getenv("REDRIVE_TEST_AMQP"))
	must(tb, err)
	defer func() { must(tb, conn.Close()) }()
	ch, err := conn.Channel()
	must(tb, err)
	do(ch)
}

// BenchmarkPublishRabbitMQPeers publishes with confirms from 256 callers, as one goroutine on bare amqp091-go does it whose
// confirms are pipelined, and as we do it.
func BenchmarkPublishRabbitMQPeers(b *testing.B) {
	race := race{}
	race.run(b, "amqp091-go", "callers=256", publishBare)
	for _, k := range named("amqp") {
		race.run(b, k.name, "callers=256", func(b *testing.B) {
			publisher := k.fresh(b).Publisher
			publish(b, publisher, 1) // declares the queue
			accepted(b, 256, func(context.Context) error {
				return publisher.Publish("bench", message.NewMessage(watermill.NewUUID(), body))
			})
		})
	}
}

// BenchmarkConsumeRabbitMQPeers consumes what waits as bare amqp091-go does it with 500 messages ahead, of which every hundredth
// acknowledges all before it, and as we do it through Watermill's router.
func BenchmarkConsumeRabbitMQPeers(b *testing.B) {
	for _, takes := range []time.Duration{0, 5 * time.Millisecond} {
		name, race := fmt.Sprintf("flight=500/handler=%s", takes), race{}
		if takes == 0 {
			race.run(b, "amqp091-go", name, consumeBare)
		}
		for _, k := range named("amqp") {
			race.run(b, k.name, name, func(b *testing.B) { consume(b, k, 500, takes) })
		}
	}
}

// bareQueue has messages published or consumed on a channel of its own, in a queue like ours.
func bareQueue(b *testing.B, use func(ch *amqp091.Channel, queue string)) {
	place := rabbitmqPlace(b)
	prefix, _, _ := strings.Cut(place, "|")
	onRabbitMQ(b, func(ch *amqp091.Channel) {
		_, err := ch.QueueDeclare(prefix+"bench", true, false, false, false, amqp091.Table{amqp091.QueueTypeArg: amqp091.QueueTypeQuorum})
		must(b, err)
		must(b, ch.Confirm(false))
		use(ch, prefix+"bench")
	})
}

func publishBare(b *testing.B) {
	bareQueue(b, func(ch *amqp091.Channel, queue string) {
		publishPipelined(b, ch, queue, warmUp)
		measured(b, func() { publishPipelined(b, ch, queue, b.N) })
	})
}

// publishPipelined has at most 256 confirms outstanding.
func publishPipelined(b *testing.B, ch *amqp091.Channel, queue string, n int) {
	confirms := make(chan *amqp091.DeferredConfirmation, 256)
	go func() {
		defer close(confirms)
		for range n {
			confirm, err := ch.PublishWithDeferredConfirm("", queue, true, false, amqp091.Publishing{
				DeliveryMode: amqp091.Persistent, MessageId: watermill.NewUUID(), Body: body,
			})
			must(b, err)
			confirms <- confirm
		}
	}()
	for confirm := range confirms {
		if !confirm.Wait() {
			b.Error("a message was not taken")
		}
	}
}

func consumeBare(b *testing.B) {
	bareQueue(b, func(ch *amqp091.Channel, queue string) {
		publishPipelined(b, ch, queue, b.N)
		must(b, ch.Qos(500, 0, false))
		measured(b, func() {
			deliveries, err := ch.Consume(queue, "", false, false, false, false, nil)
			must(b, err)
			for n := 1; n <= b.N; n++ {
				d := <-deliveries
				if n%100 == 0 || n == b.N {
					must(b, d.Ack(true))
				}
			}
		})
	})
}
