// Package page is the operator's page: rendered here with what the API knows, and
// kept up to date in the browser by a small script that asks the API every two
// seconds. It loads nothing from elsewhere, and works, as a picture of one moment,
// without the script.
//
// A row is described once, as a template: filled here, and, copied from an empty one,
// by the script. What is in it is named by data-f, how it is written by data-fmt.
package page
