package bench

import ("testing";"os";"context";"time";"encoding/json";"fmt")

func TestZZ(t *testing.T) {
	s, err := Open(context.Background(), "", false)
	if err != nil { t.Fatal(err) }
	defer s.Close()
	o := DefaultOptions()
	o.Messages, o.Runs, o.Compare, o.Progress = 2000, 1, true, os.Stderr
	if v := os.Getenv("N"); v != "" { fmt.Sscan(v, &o.Messages) }
	if v := os.Getenv("ONLY"); v != "" { o.Only = []string{v} }
	if v := os.Getenv("R"); v != "" { fmt.Sscan(v, &o.Runs) }
	t0 := time.Now()
	r, err := Run(context.Background(), s, o)
	if err != nil { t.Fatal(err) }
	r.WriteTable(os.Stdout)
	fmt.Println(time.Since(t0), r.Err())
	b, _ := json.Marshal(r)
	fmt.Println(string(b))
}
