package mysql

import (
	"fmt"
	"strings"

	"github.com/redrive-go/redrive/backends/internal/sqlstore"
)

const (
	// maxRows and maxBytes bound one statement: servers take 65,535 parameters, and packets of 16 MiB as a rule. Bytes may
	// need two each where parameters travel within the statement.
	maxRows  = 1000
	maxBytes = 4 << 20
	// rowBytes and valueBytes are about what a row and a value take beside their bytes.
	rowBytes   = 128
	valueBytes = 16
)

// widths are how many bytes columns hold. What is longer is refused here: without strict mode, a server would cut it.
var widths = map[string]int{"topic": 255, "uuid": 255, "message_id": 255, "correlation_id": 255}

// rows is a statement on many rows: into is what stands before VALUES and names columns, each what stands for one row, and
// end what follows. As many args as there are columns belong to each row.
type rows struct {
	into    string
	each    string
	end     string
	columns []string
}

// into names the columns of a table.
func into(verb, table string, columns []string) string {
	return verb + " INTO {" + table + "} (" + strings.Join(columns, ", ") + ") VALUES "
}

// exec runs the statement as often as it takes to keep each within what the server accepts, and returns how many rows
// were changed.
func (d *dialect) exec(t sqlstore.Tx, r rows, args []any) (changed int64, err error) {
	s, err := d.settings(t)
	if err != nil {
		return 0, err
	}
	width := len(r.columns)
	for len(args) > 0 {
		n, size := 0, 0
		for n < min(maxRows, len(args)/width) {
			row, err := r.size(args[n*width:][:width], s.packet)
			if err != nil {
				return 0, err
			}
			if n > 0 && size+row > min(maxBytes, s.packet/4) {
				break
			}
			n, size = n+1, size+row
		}
		now, err := t.Exec(r.statement(n), args[:n*width]...)
		if err != nil {
			return 0, err
		}
		changed += now
		args = args[n*width:]
	}
	return changed, nil
}

// statement is that on n rows, of at least one.
func (r rows) statement(n int) string {
	return r.into + r.each + strings.Repeat(", "+r.each, n-1) + r.end
}

// size is about how many bytes a row takes within a statement, or an error that says what is too long.
func (r rows) size(row []any, packet int) (int, error) {
	size := rowBytes + len(r.each)
	for i, value := range row {
		n := length(value)
		if limit, ok := widths[r.columns[i]]; ok && n > limit {
			return 0, fmt.Errorf("%s is too long: %d bytes, at most %d", r.columns[i], n, limit)
		}
		size += n + valueBytes
	}
	if size > packet {
		return 0, fmt.Errorf("too large: about %d bytes, and the server's max_allowed_packet is %d", size, packet)
	}
	return size, nil
}

func length(value any) int {
	switch v := value.(type) {
	case string:
		return len(v)
	case []byte:
		return len(v)
	}
	return 0
}
