package management

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"strings"
)

//go:embed assets
var assetFiles embed.FS

//go:embed openapi.yaml
var openAPI []byte

var assetRoutes = routes{
	{method: http.MethodGet, pattern: "assets/{id}", action: ActionView, serve: getAsset},
	{method: http.MethodGet, pattern: "api/openapi.yaml", action: ActionView, serve: getOpenAPI},
}

// asset is one embedded file that the pages use. Its name carries the hash of its content.
type asset struct {
	name        string
	contentType string
	content     []byte
}

var (
	styleSheet = newAsset("style.css", "text/css; charset=utf-8")
	script     = newAsset("page.js", "text/javascript; charset=utf-8")
	icon       = newAsset("icon.svg", "image/svg+xml")
)

func newAsset(file, contentType string) asset {
	content, err := assetFiles.ReadFile("assets/" + file)
	if err != nil { // the file is embedded, so only its name here can be wrong
		panic(err)
	}
	sum := sha256.Sum256(content)
	extension := path.Ext(file)
	name := strings.TrimSuffix(file, extension) + "-" + hex.EncodeToString(sum[:6]) + extension
	return asset{name, contentType, content}
}

func getAsset(c *call) (answer, error) {
	for _, a := range []asset{styleSheet, script, icon} {
		if a.name == c.id {
			return a, nil
		}
	}
	return nil, newPathProblem()
}

// write lets the browser keep the file: another content would have another name.
func (a asset) write(c *call) {
	c.w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
	c.writeBytes(http.StatusOK, a.contentType, a.content)
}

// documentAnswer is the API's own description.
type documentAnswer struct{}

func getOpenAPI(*call) (answer, error) { return documentAnswer{}, nil }

func (documentAnswer) write(c *call) {
	c.writeBytes(http.StatusOK, "application/yaml", openAPI)
}
