// Package export writes the entries of a DLQ to files, in the background.
//
// An Exporter stands between three things: a Catalog, which keeps the records of exports and is part of a backend;
// a dlq.Store, which is read; and a Storage for the files, such as a Folder.
//
//	folder, err := export.NewFolder("/var/lib/shop/exports")
//	if err != nil {
//		return err
//	}
//	exporter, err := export.NewExporter(backend.Exports, backend.DeadLetters, folder, nil)
//	if err != nil {
//		return err
//	}
//	go func() { done <- exporter.Run(ctx) }()
//
//	record, err := exporter.Start(ctx, export.StartParams{Queue: "events", By: "ann"}) // returns at once
//	...
//	file, record, err := exporter.Open(ctx, record.ID) // export.ErrNotReady until it is complete
//	if err != nil {
//		return err
//	}
//	defer file.Close()
//	http.ServeContent(w, r, record.ID+"."+record.Format, record.FinishedAt, file)
//
// Write and WriteNDJSON are the formats alone, for a host that wants them somewhere else. Read is their reverse, and
// dlq.Manager's Import puts what it reads back:
//
//	imported, err := manager.Import(ctx, dlq.ImportParams{Queue: "events"}, export.Read(file))
//
// # Guarantees
//
// A file holds one consistent snapshot of its DLQ, whatever comes and goes while it is written, and every payload in it
// byte for byte. It is written in constant memory and blocks no queue. It appears under its name complete and durable,
// or not at all; only then are its entries noted as exported, and only then does its record say completed, with the
// file's size and SHA-256. A crash at any point is made good by starting over: the file is written anew, from a new
// snapshot, and replaces what there was.
//
// A failure of the store is tried again with backoff, for as long as it takes. A failure of the Storage, such as a
// full disk, ends the export as failed, and its record says why.
//
// # Concurrency
//
// Any number of goroutines may use an Exporter, and any number of processes may run one on the same catalogue
// and storage. An export is leased to the one that writes it, and taken over by another when that one dies. An
// owner that was only paused finds its lease gone before it commits, and a Folder also refuses its file.
//
// # Shutdown
//
// Run returns soon after its context ends. What it was writing is dropped, and started over by the next Run once the
// lease has run out. Stop Run before closing the Folder and the backend.
package export
