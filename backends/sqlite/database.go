package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	sqlite "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/redrive-go/redrive/backends/internal/gather"
	"github.com/redrive-go/redrive/backends/internal/queue"
	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

// checkedSize is the size up to which Open checks a database page by page.
const checkedSize = 64 << 20

// busyTimeout is how long to wait for another process that writes.
const busyTimeout = 5 * time.Second

// writePatience is how long a transaction waits for another process that writes; blockedPatience, how long once one has
// waited in vain. Calls stand in line for each other's transactions, and none should wait for much longer than one.
const (
	writePatience   = 4 * time.Second
	blockedPatience = 200 * time.Millisecond
)

// maxUnits is how many units of work share one commit at most.
const maxUnits = 64

// database is one file with one writing connection, as SQLite allows one writer at a time, and a pool of reading
// ones, which in WAL mode neither wait for the writer nor hold it up.
type database struct {
	readers *sql.DB
	units   *gather.Gatherer[*unit]

	mu     sync.Mutex // held while the writer is in use
	writer *connection
	closed bool
	// blocked is whether the latest transaction could not begin because another process was writing.
	blocked bool
}

// unit is one piece of work within a shared transaction.
type unit struct {
	work func(sqlstore.Tx) error
}

func openDatabase(ctx context.Context, path string) (*database, error) {
	db, err := connectPatiently(ctx, path)
	if err != nil {
		if code := errorCode(err); code == sqlite3.SQLITE_NOTADB || code == sqlite3.SQLITE_CORRUPT {
			err = fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		return nil, fmt.Errorf("sqlite: open %s: %w", path, err)
	}
	db.units = gather.New(maxUnits, 1, db.commit)
	return db, nil
}

// connectPatiently waits for others that open the same file at this moment: where SQLite switches the journal mode, it does
// not wait by itself.
func connectPatiently(ctx context.Context, path string) (*database, error) {
	patience, cancel := context.WithTimeout(ctx, busyTimeout)
	defer cancel()
	for {
		db, err := connect(ctx, path)
		if errorCode(err) != sqlite3.SQLITE_BUSY {
			return db, err
		}
		select {
		case <-patience.Done():
			return nil, err
		case <-time.After(10*time.Millisecond + rand.N(20*time.Millisecond)): //nolint:gosec // spreads load
		}
	}
}

func connect(ctx context.Context, path string) (db *database, err error) {
	if err := checkFile(path); err != nil {
		return nil, err
	}
	if err := inspect(ctx, path); err != nil {
		return nil, err
	}
	if err := prepareFile(ctx, path); err != nil {
		return nil, err
	}
	db = &database{}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}()
	if db.writer, err = openConnection(dsn(path, "_txlock=immediate")); err != nil {
		return nil, err
	}
	if err = db.setPatience(writePatience); err != nil {
		return nil, err
	}
	db.readers = sql.OpenDB(file{dsn(path, "_pragma=query_only(1)")})
	db.readers.SetMaxOpenConns(max(4, runtime.GOMAXPROCS(0)))
	db.readers.SetMaxIdleConns(2)
	return db, nil
}

// prepareFile brings the file's schema up to date.
func prepareFile(ctx context.Context, path string) (err error) {
	db, err := sql.Open("sqlite", dsn(path, "_txlock=immediate"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	return migrate(ctx, db)
}

// dsn names the file for the driver. A commit returns after the write-ahead log was synced to the disk.
func dsn(path, more string) string {
	return plainDSN(path) + "&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)" +
		"&_pragma=cache_size(-16384)&_pragma=journal_size_limit(67108864)&" + more
}

func plainDSN(path string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() + fmt.Sprintf("?_pragma=busy_timeout(%d)", busyTimeout.Milliseconds())
}

// inspect refuses a file that is foreign, newer or damaged without changing a byte of it: not even the journal mode,
// which SQLite keeps in the file.
func inspect(ctx context.Context, path string) (err error) {
	db, err := sql.Open("sqlite", plainDSN(path)+"&_pragma=query_only(1)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ignoreDone(tx.Rollback())) }()
	if _, err := schemaVersion(ctx, tx); err != nil {
		return err
	}
	return checkPages(ctx, tx, path)
}

// checkFile refuses, before SQLite touches anything, what cannot become or be a database.
func checkFile(path string) error {
	switch info, err := os.Stat(path); {
	case err == nil && info.IsDir():
		return errors.New("it is a folder; name a file within it")
	case err == nil:
		f, err := os.OpenFile(path, os.O_RDWR, 0) //nolint:gosec // the host names the file
		if err != nil {
			return err
		}
		return f.Close()
	case !errors.Is(err, os.ErrNotExist):
		return err
	}
	folder, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("its folder cannot be used: %w", err)
	}
	if !folder.IsDir() {
		return fmt.Errorf("%s is not a folder", filepath.Dir(path))
	}
	// 0600: events hold personal data more often than not.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the host names the file
	if err != nil {
		return fmt.Errorf("its folder cannot be written: %w", err)
	}
	return f.Close()
}

// checkPages looks through a database of moderate size for damage. In a larger one SQLite reports damage where it
// meets it.
func checkPages(ctx context.Context, tx *sql.Tx, path string) error {
	info, err := os.Stat(path)
	if err != nil || info.Size() > checkedSize {
		return err
	}
	var answer string
	if err := tx.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&answer); err != nil {
		return err
	}
	if answer != "ok" {
		return fmt.Errorf("%w: %s", ErrDamaged, answer)
	}
	return nil
}

// Write implements sqlstore.Database: it runs work in a transaction and returns when it is durable. Units that wait at the same time share one
// transaction and one sync of the disk; where one of them fails, each gets a transaction of its own. So work may run
// more than once. A context that has ended already changes nothing; one that ends later is too late.
func (db *database) Write(ctx context.Context, work func(sqlstore.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return db.units.Do(&unit{work})
}

// commit runs a batch of units. Savepoints would undo a failed unit alone, but SQLite copies each page that changes
// within one, and units hardly ever fail. Where another process keeps the file locked, all fail: it is the fault of none,
// and each would wait as long again.
func (db *database) commit(batch []*unit) []error {
	db.mu.Lock()
	defer db.mu.Unlock()
	err := db.transact(batch)
	if err == nil || len(batch) == 1 || isBusy(err) {
		return gather.Fail(len(batch), err)
	}
	errs := make([]error, len(batch))
	for i := range batch {
		if errs[i] = db.transact(batch[i : i+1]); isBusy(errs[i]) {
			copy(errs[i:], gather.Fail(len(batch)-i, errs[i]))
			break
		}
	}
	return errs
}

func isBusy(err error) bool { return errorCode(err) == sqlite3.SQLITE_BUSY }

// begin begins a transaction, which waits for another process that writes: long at first, and not for long while that goes on.
func (db *database) begin(t *tx) error {
	_, err := t.Exec("BEGIN IMMEDIATE")
	blocked := isBusy(err)
	if blocked == db.blocked {
		return err
	}
	db.blocked = blocked
	if blocked {
		return errors.Join(err, db.setPatience(blockedPatience))
	}
	if patienceErr := db.setPatience(writePatience); patienceErr != nil {
		return errors.Join(patienceErr, t.rollback())
	}
	return nil
}

// setPatience is how long the writing connection waits for another process that writes.
func (db *database) setPatience(d time.Duration) error {
	_, err := db.writer.exec(fmt.Sprintf("PRAGMA busy_timeout = %d", d.Milliseconds()), nil)
	return err
}

// transact runs units in one transaction: all of them, or with an error none.
func (db *database) transact(units []*unit) error {
	if db.closed {
		return queue.ErrClosed
	}
	t := &tx{db: db}
	if err := db.begin(t); err != nil {
		return err
	}
	for _, u := range units {
		if err := t.safely(u.work); err != nil {
			return errors.Join(err, t.rollback())
		}
	}
	if _, err := t.Exec("COMMIT"); err != nil {
		return errors.Join(fmt.Errorf("commit: %w", err), t.rollback())
	}
	return nil
}

// explain gives the errors of SQLite that callers tell apart those of sqlstore.
func explain(err error) error {
	switch errorCode(err) {
	case sqlite3.SQLITE_BUSY:
		return fmt.Errorf("%w: %w", sqlstore.ErrUnavailable, err)
	case sqlite3.SQLITE_CONSTRAINT:
		return fmt.Errorf("%w: %w", sqlstore.ErrDuplicate, err)
	}
	return err
}

// errorCode returns the primary result code of SQLite that err carries, or 0.
func errorCode(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code() & 0xff
	}
	return 0
}

// Read implements sqlstore.Database.
func (db *database) Read(ctx context.Context, work func(sqlstore.Tx) error) error {
	return db.View(ctx, work)
}

// View implements sqlstore.Database. A reading transaction of SQLite sees the database as it was when it began.
func (db *database) View(ctx context.Context, work func(sqlstore.Tx) error) error {
	t, err := db.readers.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	return errors.Join(work(sqlstore.NewStd(ctx, t, words, explain)), ignoreDone(t.Rollback()))
}

// Ping implements sqlstore.Database: it finds out whether the database can be written and read. It returns when ctx ends: a write cannot be called off, but
// nobody needs to wait for this one.
func (db *database) Ping(ctx context.Context) error {
	err := ctx.Err()
	if err == nil {
		written := make(chan error, 1)
		db.units.Send(&unit{rewriteVersion}, func(err error) { written <- err })
		select {
		case err = <-written:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	if err != nil {
		return fmt.Errorf("sqlite: ping: %w", err)
	}
	var one int
	if err := db.readers.QueryRowContext(ctx, "SELECT 1").Scan(&one); err != nil {
		return fmt.Errorf("sqlite: ping: %w", err)
	}
	return nil
}

// rewriteVersion writes the version that stands in the file already: a change of nothing that a full disk refuses all the same.
func rewriteVersion(t sqlstore.Tx) error {
	var version int
	if err := sqlstore.One(t, []any{&version}, "PRAGMA user_version"); err != nil {
		return err
	}
	_, err := t.Exec(fmt.Sprintf("PRAGMA user_version = %d", version))
	return err
}

// Close implements sqlstore.Database. It waits for the running transaction and closes the file. It may be called twice.
func (db *database) Close() error {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed {
		return nil
	}
	db.closed = true
	var errs []error
	if db.readers != nil {
		errs = append(errs, db.readers.Close())
	}
	if db.writer != nil {
		errs = append(errs, db.writer.close())
	}
	return errors.Join(errs...)
}
