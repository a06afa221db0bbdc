package config

// What the tests look at from outside.
const MaxSecretFile = maxSecretFile

var (
	ChannelFault = channelFault
	Nearest      = nearest
)
