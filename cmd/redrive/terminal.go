package main

import (
	"io/fs"
	"os"
	"strconv"
)

// defaultColumns is how wide a terminal is taken to be.
const defaultColumns = 80

// isTerminal is whether a reader or writer is a terminal. The null device is a character device, too.
func isTerminal(stream any) bool {
	if o, ok := stream.(*output); ok {
		stream = o.w
	}
	file, ok := stream.(interface{ Stat() (fs.FileInfo, error) })
	if !ok {
		return false
	}
	info, err := file.Stat()
	if err != nil || info.Mode()&fs.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

// width is how many columns the terminal has.
func (o *options) width() int {
	if n, err := strconv.Atoi(o.columns); err == nil && n > 0 {
		return n
	}
	return defaultColumns
}
