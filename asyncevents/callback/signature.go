package callback

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Lengths of a secret after decoding, in bytes, as Standard Webhooks 1.0.0 has them.
const (
	MinSecretBytes = 24
	MaxSecretBytes = 64
)

const secretPrefix = "whsec_"

// decodeSecret returns the key within a secret. Its errors are read after the field's name and hold nothing of the
// secret.
func decodeSecret(secret string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(secret, secretPrefix)
	if !ok {
		return nil, fmt.Errorf("must begin with %q", secretPrefix)
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil { // its text says where the fault is, which is nobody's business
		return nil, errors.New("must be base64 after its prefix")
	}
	if len(key) < MinSecretBytes || len(key) > MaxSecretBytes {
		return nil, fmt.Errorf("must decode to %d to %d bytes", MinSecretBytes, MaxSecretBytes)
	}
	return key, nil
}

// signer makes the webhook-signature header.
type signer struct {
	keys [][]byte
}

func newSigner(secrets []string) (*signer, error) {
	s := &signer{}
	for _, secret := range secrets {
		key, err := decodeSecret(secret)
		if err != nil {
			return nil, err
		}
		s.keys = append(s.keys, key)
	}
	return s, nil
}

// sign returns one "v1,<base64>" for each secret, separated by spaces; "" without secrets. Signed is "id.timestamp.body".
func (s *signer) sign(id string, at time.Time, body []byte) string {
	signatures := make([]string, 0, len(s.keys))
	for _, key := range s.keys {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
		mac.Write(body)
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return strings.Join(signatures, " ")
}
