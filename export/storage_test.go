package export_test

import (
	"testing"

	"github.com/redrive-go/redrive/export"
	"github.com/redrive-go/redrive/export/storagetest"
)

func TestFolder_storage(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T) export.Storage { return newFolder(t, t.TempDir()) })
}
