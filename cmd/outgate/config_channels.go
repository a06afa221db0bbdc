package main

// channelSpec is what the configuration has to know of a channel.
type channelSpec struct {
	// takes are the keys of channelKeys that the channel uses, needs those of them
	// it cannot do without.
	takes, needs []string
}

// channelKeys are the keys of a bridge that not every channel takes: its
// credentials and its address.
var channelKeys = []string{"url", "token", "secret", "jid", "password", "server", "allow_private"}

// knownChannels are the channels a bridge can be of.
var knownChannels = map[string]channelSpec{
	"webhook": {takes: []string{"url", "secret", "allow_private"}, needs: []string{"url"}},
	"sandbox": {},
}
