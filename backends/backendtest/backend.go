package backendtest

import (
	"context"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/components/delay"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/export"
	"github.com/redrive-go/redrive/retry"
)

var backendCases = []testCase{
	{"every part is there", backendWhole},
	{"a subscriber's faults are all named", backendFaults},
	{"backlog counts", backendBacklog},
	{"closed it answers nothing", backendClosed},
	{"reopened everything is there", backendReopened},
}

func backendWhole(t *testing.T, f *fixture) {
	assert.NotEmpty(t, f.Name)
	require.NotNil(t, f.Traffic)
	require.NoError(t, f.Ping(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, f.Ping(ctx))
	if _, err := f.Events.Accept(ctx, acceptance("e-1", "{}")); err == nil {
		f.requireBacklog(t, topic, asyncevents.Backlog{Ready: 1})
	} else {
		f.requireEmpty(t, topic)
	}
}

func backendFaults(t *testing.T, f *fixture) {
	_, err := f.Subscriber(asyncevents.SubscriberConfig{
		Concurrency: -1, Lease: time.Millisecond, Policy: retry.Policy{MaxAttempts: -1},
	})
	for _, field := range []string{"Concurrency", "Lease", "MaxAttempts"} {
		require.ErrorContains(t, err, field)
	}
}

func backendBacklog(t *testing.T, f *fixture) {
	f.requireEmpty(t, "never used")
	later := newMessage("later")
	delay.Message(later, delay.For(time.Hour))
	require.NoError(t, f.Publisher.Publish(topic, newMessage("1"), newMessage("2"), later))
	f.requireBacklog(t, topic, asyncevents.Backlog{Ready: 2, Delayed: 1})
	cfg := quick()
	cfg.Concurrency = 1
	msg := receive(t, f.consume(t, topic, cfg))
	f.requireBacklog(t, topic, asyncevents.Backlog{Ready: 1, Delayed: 1, InFlight: 1})
	require.NoError(t, msg.Context().Err())
}

func backendClosed(t *testing.T, f *fixture) {
	f.accept(t, "e-1", "{}")
	f.bury(t, deadQueue, "m-1")
	require.NoError(t, f.Close())
	ctx := t.Context()
	_, acceptErr := f.Events.Accept(ctx, acceptance("e-2", "{}"))
	withdrawErr := f.Events.Withdraw(ctx, "e-1")
	_, findErr := f.Events.Find(ctx, "e-1")
	_, statErr := f.DeadLetters.Stat(ctx, deadQueue)
	_, settingsErr := f.Jobs.Settings(ctx)
	_, exportErr := f.Exports.List(ctx, "", 1)
	_, auditErr := f.Audit.List(ctx, asyncevents.AuditQuery{Limit: 1})
	_, trafficErr := f.Traffic.Since(ctx, deadQueue, time.Time{})
	for name, err := range map[string]error{
		"ping": f.Ping(ctx), "publish": f.Publisher.Publish(topic, newMessage("x")),
		"accept": acceptErr, "withdraw": withdrawErr, "find": findErr, "stat": statErr,
		"settings": settingsErr, "exports": exportErr, "audit": auditErr, "traffic": trafficErr,
	} {
		require.Error(t, err, name)
		require.NotErrorIs(t, err, asyncevents.ErrNotFound, name)
	}
}

// backendReopened has nothing to open again where nothing is kept: newFixture has made sure that the harness says so.
func backendReopened(t *testing.T, f *fixture) {
	if !f.harness.Persistent {
		fresh := newFixture(t, f.harness)
		f.accept(t, "e-1", "{}")
		require.NoError(t, f.Close())
		_, err := fresh.Events.Find(t.Context(), "e-1")
		require.ErrorIs(t, err, asyncevents.ErrNotFound)
		return
	}
	ctx := t.Context()
	f.furnish(t)
	want := f.inventory(t)
	require.NoError(t, f.Close())

	reopened := f.instance.Reopen(t)
	closeAtEnd(t, reopened)
	g := &fixture{reopened, f.harness, f.instance}
	assert.Equal(t, want, g.inventory(t))
	require.ErrorIs(t, g.Jobs.Save(ctx, "b", job("j-1", deadQueue)), retry.ErrLeaseLost)
	require.NoError(t, g.Jobs.Save(ctx, "a", job("j-1", deadQueue)), "the lease still holds")

	msg := receive(t, g.consume(t, topic, quick()))
	assert.Equal(t, "e-2", msg.UUID)
	delivery := retry.DeliveryOf(msg)
	assert.Equal(t, 2, delivery.Attempt)
	assert.Len(t, delivery.History, 1)
	msg.Ack()
	g.requireBacklog(t, topic, asyncevents.Backlog{Delayed: 1})
	newer := g.bury(t, deadQueue, "m-2")
	assert.Greater(t, newer.ID, want.DeadLetters[0].ID, "ids go on growing")
	assert.False(t, newer.Exported)
}

// furnish stores something in every part: e-1 is processed, e-2 waits for its second attempt.
func (f *fixture) furnish(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	cfg := quick()
	cfg.CloseTimeout = patience
	subscriber, messages := f.subscribe(t, cfg)
	f.accept(t, "e-1", "{}")
	msg := receive(t, messages)
	require.NoError(t, f.Events.Settle(settling(msg), processed("e-1")))
	msg.Ack()
	f.accept(t, "e-2", "{}")
	msg = receive(t, messages)
	done := closing(t, subscriber)
	requireClosed(t, messages)
	msg.Metadata.Set(retry.MetadataHistory, retry.History{attempt(1, "boom")}.String())
	msg.Nack()
	requireDone(t, done)

	later := newMessage("later")
	delay.Message(later, delay.For(time.Hour))
	require.NoError(t, f.Publisher.Publish(topic, later))
	dead := f.bury(t, deadQueue, "m-1")
	require.NoError(t, f.DeadLetters.MarkExported(ctx, deadQueue, dead.ID))
	f.claimJob(t, deadQueue, longLease)
	require.NoError(t, f.Jobs.SaveSettings(ctx, retry.Settings{BatchSize: 7, CooldownMinutes: 0.5}))
	f.createExports(t, 2)
	require.NoError(t, f.Audit.Append(ctx, asyncevents.AuditRow{Actor: "ann"}))
	require.NoError(t, f.Traffic.Note(ctx, deadQueue, asyncevents.Traffic{Done: 1}))
}

// inventory is what the stores hold.
type inventory struct {
	Event       asyncevents.Record
	DeadLetters []dlq.Entry
	Job         retry.Job
	Settings    retry.Settings
	Exports     []export.Record
	Audit       []asyncevents.AuditRow
	Traffic     []asyncevents.Traffic
}

func (f *fixture) inventory(t *testing.T) (i inventory) {
	t.Helper()
	var err error
	ctx := t.Context()
	i.Event = f.find(t, "e-1")
	i.DeadLetters = f.list(t, deadQueue)
	i.Job, err = f.Jobs.Job(ctx, deadQueue)
	require.NoError(t, err)
	i.Settings, err = f.Jobs.Settings(ctx)
	require.NoError(t, err)
	i.Exports, err = f.Exports.List(ctx, "", 10)
	require.NoError(t, err)
	i.Audit, err = f.Audit.List(ctx, asyncevents.AuditQuery{Limit: 10})
	require.NoError(t, err)
	i.Traffic, err = f.Traffic.Since(ctx, deadQueue, time.Time{})
	require.NoError(t, err)
	return i
}
