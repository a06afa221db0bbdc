package api

// Routes are the methods and paths that the API answers.
func (a *API) Routes() []string { return a.paths }
