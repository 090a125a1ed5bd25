package dlq

import (
	"maps"
	"strings"

	"github.com/redrive-go/redrive/retry"
)

// secretWords are what the key of a metadata value contains that lets its reader in somewhere. Rather one key too many: what
// is hidden can still be redriven, as it stands in the store.
var secretWords = []string{
	"auth", "bearer", "cookie", "credential", "jwt", "passphrase", "passwd", "password", "private", "secret", "session",
	"signature", "token", "apikey", "api-key", "api_key", "api.key",
}

// isHidden is whether a key of an entry's metadata, and its value, stay where they are: secrets, and what is the library's own,
// which an entry has fields for.
func isHidden(key string) bool {
	if strings.HasPrefix(key, retry.MetadataPrefix) {
		return true
	}
	lower := strings.ToLower(key)
	for _, word := range secretWords {
		if strings.Contains(lower, word) {
			return true
		}
	}
	return false
}

// shownMetadata is what of an entry's metadata may be shown. As a rule that is all of it.
func shownMetadata(metadata map[string]string) map[string]string {
	for key := range metadata {
		if isHidden(key) {
			shown := maps.Clone(metadata)
			maps.DeleteFunc(shown, func(key, _ string) bool { return isHidden(key) })
			return shown
		}
	}
	return metadata
}
