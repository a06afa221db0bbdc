package webhook

// ReadReply is the parser of replies, for fuzzing.
var ReadReply = readReply

// Table is what each error of the channel carries.
var Table = table

// StandIn puts one address in the place of another.
var StandIn = standIn
