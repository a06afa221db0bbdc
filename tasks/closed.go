package tasks

// Operations are all operations, and Priorities all priorities, the highest first.
// Metrics label by them.
var (
	Operations = []Operation{Send, Edit, SendMedia, EditMedia}
	Priorities = []Priority{PriorityCritical, PriorityHigh, PriorityNormal, PriorityLow}
)
