package config

// nearest is the known word that the unknown one is most likely meant to be,
// empty if none is near: at most a third of its letters may differ.
func nearest(unknown string, known []string) string {
	best, least := "", len(unknown)/3+1
	if len(unknown) > 64 {
		return ""
	}
	for _, word := range known {
		if n := distance(unknown, word); n <= least && (best == "" || n < least) {
			best, least = word, n
		}
	}
	return best
}

// distance is how many letters have to be put in, taken out or changed to make b
// of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
