package classify

var xmppTable = table{}
