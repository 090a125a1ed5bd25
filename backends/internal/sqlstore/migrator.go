package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrNewer is returned for a schema that is newer than this version of the library.
	ErrNewer = errors.New("the schema was made by a newer version of this library")
	// ErrNotMigrated is returned with Migrator.Skip for a schema that is not up to date.
	ErrNotMigrated = errors.New("the schema is not up to date, and Config.SkipMigrate is set")
)

const (
	touchSchema   = `UPDATE {schema} SET checked_at = {now} WHERE id = 1`
	selectVersion = `SELECT version FROM {schema} WHERE id = 1`
	// setVersion leaves a schema alone that another version was found in, such as a later one.
	setVersion = `UPDATE {s}{p}schema SET version = %d WHERE id = 1 AND version = %d`
	// checkVersion fails on every server where another version stands, and else does nothing.
	checkVersion = `
-- This is for version %[1]d. Where another one stands, its row is inserted again, which fails for a duplicate key.
INSERT INTO {s}{p}schema (id, version) SELECT id, version FROM {s}{p}schema WHERE id = 1 AND version <> %[1]d;
`
)

// Migrator brings the schema of one database up to date. In its scripts, {p} and {s} are those of Names.In, and each
// statement ends with a semicolon at the end of a line.
type Migrator struct {
	// Names is where the tables are.
	Names Names
	// First makes the table of the version, named schema, with version 0.
	First string
	// Versions bring the schema from one version to the next; their number is the present version.
	Versions []string
	// Skip is whether somebody else does all that.
	Skip bool
	// Locked runs work while no other replica does.
	Locked func(ctx context.Context, work func(Tx) error) error
	// Present returns the version that stands, and runs First where there is none.
	Present func(t Tx) (int, error)
}

// Script returns all that is run on a schema of that version, for people to read or to run, which fails at once on another
// version: of version 0 where there is nothing yet. On the present one nothing is run.
func (m *Migrator) Script(version int) (string, error) {
	if version < 0 || version > len(m.Versions) {
		return "", fmt.Errorf("the version must be 0 to %d, not %d", len(m.Versions), version)
	}
	var b strings.Builder
	if version == 0 {
		b.WriteString(m.Names.In(m.First))
	}
	if version < len(m.Versions) {
		b.WriteString(m.Names.In(fmt.Sprintf(checkVersion, version)))
	}
	for i := version; i < len(m.Versions); i++ {
		fmt.Fprintf(&b, "\n-- Version %d.%s", i+1, m.step(i))
	}
	return b.String(), nil
}

// step is the script of one version.
func (m *Migrator) step(i int) string {
	return m.Names.In(m.Versions[i] + fmt.Sprintf(setVersion, i+1, i) + ";\n")
}

// run returns when the schema is up to date. As a rule it is, and one statement tells.
func (m *Migrator) run(ctx context.Context, t Tx) error {
	version, err := Version(t)
	// Where making a table commits by itself, its row is missing for a moment while another replica makes them.
	none := errors.Is(err, ErrNoTable) || errors.Is(err, sql.ErrNoRows)
	switch {
	case err != nil && !none:
		return err
	case err == nil && version == len(m.Versions):
		return nil
	case version > len(m.Versions):
		return m.newer(version)
	case m.Skip:
		return fmt.Errorf("%w: it has version %d of %d; run what MigrationsFrom returns for that version",
			ErrNotMigrated, version, len(m.Versions))
	}
	return m.Locked(ctx, m.migrate)
}

func (m *Migrator) newer(version int) error {
	return fmt.Errorf("%w: version %d, this one knows up to %d", ErrNewer, version, len(m.Versions))
}

// Version returns the version of the schema: 0 also where First has come halfway.
func Version(t Tx) (version int, err error) {
	err = One(t, []any{&version}, selectVersion)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return version, err
}

func (m *Migrator) migrate(t Tx) error {
	present, err := m.Present(t)
	if err != nil {
		return err
	}
	if present > len(m.Versions) {
		return m.newer(present)
	}
	for i := present; i < len(m.Versions); i++ {
		if err := ExecScript(t, m.step(i)); err != nil {
			return fmt.Errorf("migrate the schema to version %d: %w", i+1, err)
		}
	}
	return nil
}

// ExecScript runs the statements of a script one by one. None may have a semicolon at the end of a line within it.
func ExecScript(t Tx, script string) error {
	for statement := range strings.SplitAfterSeq(script, ";\n") {
		if strings.TrimSpace(statement) == "" {
			continue
		}
		if _, err := t.Exec(statement); err != nil {
			return err
		}
	}
	return nil
}
