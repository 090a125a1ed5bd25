package export_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/redrive-go/redrive/dlq"
	"github.com/redrive-go/redrive/export"
)

func ExampleWrite() {
	entries := func(yield func(dlq.Entry, error) bool) {
		yield(dlq.Entry{
			ID: 1, Queue: "events", Topic: "events", MessageID: "order-17", CorrelationID: "order-17", CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
			Payload: []byte(`{"customer": "c1"}`), Failure: dlq.Failure{Type: "timeout", Message: "took too long"},
		}, nil)
	}
	var document, indented bytes.Buffer
	written, err := export.Write(&document, "events", time.Date(2026, 1, 2, 4, 0, 0, 0, time.UTC), 1, entries, nil)
	fmt.Println(written, err)
	_ = json.Indent(&indented, document.Bytes(), "", " ")
	fmt.Println(indented.String())
	// Output:
	// 1 <nil>
	// {
	//  "queue": "events",
	//  "exported_at": "2026-01-02T04:00:00Z",
	//  "count": 1,
	//  "entries": [
	//   {
	//    "id": "1",
	//    "queue": "events",
	//    "created_at": "2026-01-02T03:04:05Z",
	//    "correlation_id": "order-17",
	//    "message_id": "order-17",
	//    "topic": "events",
	//    "payload": {
	//     "customer": "c1"
	//    },
	//    "error": {
	//     "type": "timeout",
	//     "message": "took too long"
	//    },
	//    "attempts": [],
	//    "redrives": 0,
	//    "exported": false
	//   }
	//  ]
	// }
}

func ExampleNewFolder() {
	dir, err := os.MkdirTemp("", "exports")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // an example
	folder, err := export.NewFolder(dir)
	if err != nil {
		log.Fatal(err)
	}
	defer folder.Close() //nolint:errcheck // an example

	file, err := folder.Create(context.Background(), "hello.txt")
	if err != nil {
		log.Fatal(err)
	}
	_, _ = io.WriteString(file, "hello")
	_, err = folder.Open(context.Background(), "hello.txt")
	fmt.Println(err)
	fmt.Println(file.Commit())

	_, err = folder.Create(context.Background(), "../hello.txt")
	fmt.Println(err)
	// Output:
	// export: open file hello.txt: export not found
	// <nil>
	// export: create file "../hello.txt": not a valid file name
}

func ExampleExporter() {
	dir, err := os.MkdirTemp("", "exports")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // an example
	folder, err := export.NewFolder(dir)
	if err != nil {
		log.Fatal(err)
	}
	defer folder.Close() //nolint:errcheck // an example

	// A backend brings both: backend.Exports and backend.DeadLetters.
	records, deadLetters := &catalog{}, &source{count: 3}
	exporter, err := export.NewExporter(records, deadLetters, folder, nil)
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- exporter.Run(ctx) }()

	record, err := exporter.Start(ctx, export.StartParams{Queue: "events", By: "ann"})
	for err == nil && record.State == export.StateRunning {
		time.Sleep(time.Millisecond)
		record, err = exporter.Get(ctx, record.ID)
	}
	fmt.Println(record.State, record.Count, len(record.SHA256), err)
	stop()
	fmt.Println(<-done)
	// Output:
	// completed 3 64 <nil>
	// <nil>
}
