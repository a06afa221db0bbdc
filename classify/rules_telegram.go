package classify

var telegramTable = table{}
