package export

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/redrive-go/redrive/dlq"
)

// Limits of Exporter.List.
const (
	DefaultListLimit = 50
	MaxListLimit     = 1000
)

// maxQueuePart is how much of a queue's name goes into a file's: with the id and the ending it stays below what
// every Storage takes.
const maxQueuePart = 150

// Exporter writes DLQs to files, in the background and in any process that shares its catalogue. All methods may be
// called from any number of goroutines.
type Exporter struct {
	catalog Catalog
	source  dlq.Store
	storage Storage
	cfg     Config
	// wake has room for one: exports started while Run is busy count as one call, for it looks until none is left.
	wake chan struct{}
}

// NewExporter returns an Exporter that keeps its records in catalog, reads the DLQs from source, and puts the files into
// storage. Every process that uses the same catalog must reach the same files. cfg may be nil. Nothing is written
// until Run is called, in this process or another.
func NewExporter(catalog Catalog, source dlq.Store, storage Storage, cfg *Config) (*Exporter, error) {
	var faults []error
	if catalog == nil {
		faults = append(faults, errors.New("catalog is nil"))
	}
	if source == nil {
		faults = append(faults, errors.New("source is nil"))
	}
	if storage == nil {
		faults = append(faults, errors.New("storage is nil"))
	}
	if err := errors.Join(append(faults, cfg.Validate())...); err != nil {
		return nil, fmt.Errorf("export: new exporter: %w", err)
	}
	return &Exporter{catalog, source, storage, cfg.withDefaults(), make(chan struct{}, 1)}, nil
}

// StartParams say what Start exports.
type StartParams struct {
	// Queue names the DLQ.
	Queue string
	// Format is the file's format: FormatJSON or FormatNDJSON. Defaults to FormatJSON.
	Format string
	// By is who asks for it.
	By string
	// Filter says which entries the file will hold; all by default.
	Filter dlq.Filter
}

// Start asks for an export of a DLQ and returns its record. It does not wait for the file. The file will hold what stands
// in the DLQ when its writing begins. It returns ErrBadFormat for a format that there is not, and dlq.ErrBadFilter.
func (e *Exporter) Start(ctx context.Context, p StartParams) (Record, error) {
	if p.Queue == "" {
		return Record{}, errors.New("export: start: no queue given")
	}
	format := cmp.Or(p.Format, FormatJSON)
	if !slices.Contains(Formats(), format) {
		return Record{}, fmt.Errorf("export: start %s: %w: %.64q", p.Queue, ErrBadFormat, format)
	}
	if err := p.Filter.Validate(); err != nil {
		return Record{}, fmt.Errorf("export: start %s: %w: %w", p.Queue, dlq.ErrBadFilter, err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Record{}, fmt.Errorf("export: start %s: %w", p.Queue, err)
	}
	record := Record{
		ID: id.String(), Queue: p.Queue, State: StateRunning, Format: format, CreatedAt: time.Now().UTC(), CreatedBy: p.By,
		Filter: p.Filter,
	}
	if err := e.catalog.Create(ctx, record); err != nil {
		return Record{}, fmt.Errorf("export: start %s: %w", p.Queue, err)
	}
	select {
	case e.wake <- struct{}{}:
	default:
	}
	return record, nil
}

// Get returns the record of an export, or ErrNotFound, also for an id that is not one.
func (e *Exporter) Get(ctx context.Context, id string) (Record, error) { return e.find(ctx, "get", id) }

// List returns the records of a queue, or of all queues when it is "", newest first, at most limit of them. A
// limit of 0 or less means 50; the largest is 1000.
func (e *Exporter) List(ctx context.Context, queue string, limit int) ([]Record, error) {
	if limit <= 0 {
		limit = DefaultListLimit
	}
	records, err := e.catalog.List(ctx, queue, min(limit, MaxListLimit))
	if err != nil {
		return nil, fmt.Errorf("export: list: %w", err)
	}
	return records, nil
}

// Open returns the file of a completed export, for the caller to close, and its record. It returns ErrNotFound for an
// export that is not there or whose file is gone, and ErrNotReady for one that is running or has failed.
func (e *Exporter) Open(ctx context.Context, id string) (io.ReadSeekCloser, Record, error) {
	record, err := e.find(ctx, "open", id)
	if err != nil {
		return nil, Record{}, err
	}
	if record.State != StateCompleted {
		return nil, Record{}, fmt.Errorf("export: open %s: %w", id, ErrNotReady)
	}
	file, err := e.storage.Open(ctx, fileName(record))
	if err != nil {
		return nil, Record{}, fmt.Errorf("export: open %s: %w", id, err)
	}
	return file, record, nil
}

// Delete removes an export, its file first, or returns ErrNotFound. A running one is aborted: whoever writes it
// notices within about a second. After another error the call can be repeated.
func (e *Exporter) Delete(ctx context.Context, id string) error {
	record, err := e.find(ctx, "delete", id)
	if err != nil {
		return err
	}
	// The record goes last: while it stands, a file that could not be removed can still be found.
	if err := e.storage.Delete(ctx, fileName(record)); err != nil {
		return fmt.Errorf("export: delete %s: %w", id, err)
	}
	if err := e.catalog.Delete(ctx, id); err != nil {
		return fmt.Errorf("export: delete %s: %w", id, err)
	}
	if record.State != StateRunning {
		return nil
	}
	// The writer may have committed the file and completed the record between the two steps above.
	if err := e.storage.Delete(ctx, fileName(record)); err != nil {
		return fmt.Errorf("export: delete %s: %w", id, err)
	}
	return nil
}

// find returns a record. Ids come from URLs: what is not a UUID in its usual form never reaches the catalogue.
func (e *Exporter) find(ctx context.Context, operation, id string) (Record, error) {
	if parsed, err := uuid.Parse(id); err != nil || parsed.String() != id {
		return Record{}, fmt.Errorf("export: %s %.64q: %w", operation, id, ErrNotFound)
	}
	record, err := e.catalog.Get(ctx, id)
	if err != nil {
		return Record{}, fmt.Errorf("export: %s %s: %w", operation, id, err)
	}
	return record, nil
}

// fileName is where the file of an export stands: "<queue>-<id>.<format>". Queues may have names that files must not have;
// the id alone makes it unique.
func fileName(record Record) string {
	queue := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '.', r == '_':
			return r
		}
		return '_'
	}, record.Queue)
	queue = queue[:min(len(queue), maxQueuePart)]
	if strings.HasPrefix(queue, ".") {
		queue = "_" + queue[1:]
	}
	return queue + "-" + record.ID + "." + record.Format
}
