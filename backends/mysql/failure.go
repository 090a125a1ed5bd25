package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/go-sql-driver/mysql"

	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

// kinds are what a server's errors mean here. Those that are not listed are faults of the statement. See
// https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html and
// https://mariadb.com/kb/en/mariadb-error-codes/.
var kinds = map[uint16]error{
	1062: sqlstore.ErrDuplicate, // ER_DUP_ENTRY
	1586: sqlstore.ErrDuplicate, // ER_DUP_ENTRY_WITH_KEY_NAME

	1213: sqlstore.ErrConflict, // ER_LOCK_DEADLOCK, also of a cluster's certification
	1020: sqlstore.ErrConflict, // ER_CHECKREAD: the record has changed since last read

	1146: sqlstore.ErrNoTable, // ER_NO_SUCH_TABLE

	1053: sqlstore.ErrBroken, // ER_SERVER_SHUTDOWN
	1927: sqlstore.ErrBroken, // ER_CONNECTION_KILLED
	4031: sqlstore.ErrBroken, // ER_CLIENT_INTERACTION_TIMEOUT

	3:    sqlstore.ErrUnavailable, // EE_WRITE: writing a file failed
	28:   sqlstore.ErrUnavailable, // no space on device
	1021: sqlstore.ErrUnavailable, // ER_DISK_FULL
	1026: sqlstore.ErrUnavailable, // ER_ERROR_ON_WRITE
	1030: sqlstore.ErrUnavailable, // ER_GET_ERRNO: the storage engine failed
	1037: sqlstore.ErrUnavailable, // ER_OUTOFMEMORY
	1040: sqlstore.ErrUnavailable, // ER_CON_COUNT_ERROR
	1041: sqlstore.ErrUnavailable, // ER_OUT_OF_RESOURCES
	1047: sqlstore.ErrUnavailable, // ER_UNKNOWN_COM_ERROR: a node of a cluster that is not ready
	1114: sqlstore.ErrUnavailable, // ER_RECORD_FILE_FULL
	1135: sqlstore.ErrUnavailable, // ER_CANT_CREATE_THREAD
	1180: sqlstore.ErrUnavailable, // ER_ERROR_DURING_COMMIT
	1203: sqlstore.ErrUnavailable, // ER_TOO_MANY_USER_CONNECTIONS
	1205: sqlstore.ErrLocked,      // ER_LOCK_WAIT_TIMEOUT
	1206: sqlstore.ErrUnavailable, // ER_LOCK_TABLE_FULL
	1226: sqlstore.ErrUnavailable, // ER_USER_LIMIT_REACHED
	1290: sqlstore.ErrUnavailable, // ER_OPTION_PREVENTS_STATEMENT, as --read-only does on a replica
	1317: sqlstore.ErrUnavailable, // ER_QUERY_INTERRUPTED
	1792: sqlstore.ErrUnavailable, // ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION
	1836: sqlstore.ErrUnavailable, // ER_READ_ONLY_MODE
	1969: sqlstore.ErrUnavailable, // ER_STATEMENT_TIMEOUT
	3024: sqlstore.ErrUnavailable, // ER_QUERY_TIMEOUT
	3032: sqlstore.ErrUnavailable, // ER_SERVER_OFFLINE_MODE
	3100: sqlstore.ErrUnavailable, // ER_RUN_HOOK_ERROR: group replication refused the commit
	3168: sqlstore.ErrUnavailable, // ER_SERVER_ISNT_AVAILABLE
}

// explain gives those errors the names of sqlstore that its callers tell apart.
func explain(err error) error {
	var kind error
	var answer *mysql.MySQLError
	switch {
	case err == nil, errors.Is(err, mysql.ErrPktTooLarge):
		return err
	case errors.As(err, &answer):
		kind = kinds[answer.Number]
	case isDead(err):
		kind = sqlstore.ErrBroken
	default: // no answer of the server
		kind = sqlstore.ErrUnavailable
	}
	if kind == nil {
		return err
	}
	return fmt.Errorf("%w: %w", kind, err)
}

// isDead is whether err says that a connection broke off, rather than that none can be made.
func isDead(err error) bool {
	var network *net.OpError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return false
	case errors.As(err, &network):
		return network.Op != "dial"
	}
	return errors.Is(err, mysql.ErrInvalidConn) || errors.Is(err, driver.ErrBadConn) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
