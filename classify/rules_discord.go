package classify

var discordTable = table{}
