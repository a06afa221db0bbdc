// Package console is the operator's page and the API of a worker as one http.Handler,
// with the guard that outgate serve has. An app mounts it in its own server, under any
// prefix:
//
//	ops, err := console.New(worker, console.Config{Token: token})
//	mux.Handle("/ops/", http.StripPrefix("/ops", ops))
//
// It serves the page at /, the API at /api/v1/ and metrics at /metrics, and, to anybody,
// /healthz and /readyz.
package console
