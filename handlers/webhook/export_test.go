package webhook

// ReadReply is the parser of replies, for fuzzing.
var ReadReply = readReply
