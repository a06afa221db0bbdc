package classify

var matrixTable = table{}
