package discord

import (
	"crypto/sha256"
	"encoding/binary"
	"math/big"
	"strings"

	"github.com/outgate/outgate/tasks"
)

// nonceDigits is the length of every nonce: so many digits of base 62 hold 128
// bits. Discord takes at most 25 characters.
const nonceDigits = 22

// nonce is the token of a message in the form that Discord takes. Discord compares
// the nonces of a bot in all its channels, so the room goes in too: two gateways
// that share a bot may count up to the same token.
func nonce(m *tasks.Message) string {
	h := sha256.New()
	for _, s := range []string{m.Token, m.BridgeID, m.ExternalRoomID, m.Opts.ThreadID} {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(s))))
		h.Write([]byte(s))
	}
	digits := new(big.Int).SetBytes(h.Sum(nil)[:16]).Text(62)
	return strings.Repeat("0", nonceDigits-len(digits)) + digits
}
