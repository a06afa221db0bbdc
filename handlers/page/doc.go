// Package page is the operator's page. The server renders it with the figures of the
// API; in the browser a small script asks the API every two seconds and updates them.
// The page loads nothing from other hosts. Without the script it shows one moment.
//
// Each kind of row is one template: the server fills it, and the script copies an empty
// one. The attribute data-f names the field that an element shows, data-fmt its format.
package page
