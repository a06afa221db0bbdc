package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"github.com/outgate/outgate/tasks"
)

// parseKeys reads the secrets of a Config.
func parseKeys(secret string) ([][]byte, error) {
	var keys [][]byte
	for s := range strings.FieldsSeq(secret) {
		key := []byte(s)
		if encoded, ok := strings.CutPrefix(s, "whsec_"); ok {
			var err error
			if key, err = base64.StdEncoding.DecodeString(encoded); err != nil || len(key) == 0 {
				return nil, &tasks.ConfigError{Channel: Type, Field: "secret", Why: "what follows whsec_ is not a key in base64"}
			}
		}
		keys = append(keys, key)
	}
	if secret != "" && len(keys) == 0 {
		return nil, &tasks.ConfigError{Channel: Type, Field: "secret", Why: "is blank"}
	}
	return keys, nil
}

// sign is the value of webhook-signature: one signature a key.
func sign(keys [][]byte, id, stamp string, body []byte) string {
	var out []byte
	for i, key := range keys {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + stamp + "."))
		mac.Write(body)
		if i > 0 {
			out = append(out, ' ')
		}
		out = base64.StdEncoding.AppendEncode(append(out, "v1,"...), mac.Sum(nil))
	}
	return string(out)
}
