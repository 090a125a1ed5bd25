// Package export writes the entries of a DLQ to files.
package export
