package asyncevents_test

import (
	"math"
	"testing"

	"go.uber.org/goleak"

	"github.com/redrive-go/redrive/asyncevents"
	"github.com/redrive-go/redrive/dlq"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dlqAll lists the whole Events DLQ.
var dlqAll = dlq.ListParams{Queue: asyncevents.EventsQueue, Limit: math.MaxInt32}
