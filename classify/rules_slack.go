package classify

var slackTable = table{}
