package management

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
)

// fieldFile is the field of a page's form that holds the file to import.
const fieldFile = "file"

// importForm imports the file of a page's form, which is read as it comes: it may be larger than there is memory.
func importForm(c *call) (answer, error) {
	body := newUpload(c)
	kind, params, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		return nil, newMalformedProblem("The form must be multipart/form-data")
	}
	form := multipart.NewReader(body, params["boundary"])
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return nil, newMalformedProblem("No file was chosen")
		}
		if err != nil {
			return nil, bodyProblem(errors.Join(body.err, err))
		}
		if part.FormName() == fieldFile {
			return c.importFrom(body, &filePart{part, body})
		}
	}
}

// filePart is a file within a form. That the form is cut off is an error of its body, and not of the file.
type filePart struct {
	part *multipart.Part
	body *upload
}

// Read reads the file.
func (f *filePart) Read(b []byte) (int, error) {
	n, err := f.part.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		f.body.err = errors.Join(f.body.err, err)
	}
	return n, err
}
