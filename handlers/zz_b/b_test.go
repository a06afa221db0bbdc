package b
import ("testing";"encoding/json";"github.com/outgate/outgate/tasks")
var s = tasks.Success{Status:"success",ID:"007-000660dd6bf18bb5",Operation:"send",MessageID:"sb-1",MessageIDs:[]string{"sb-1"},Result:map[string]any{},Partition:7,Attempts:1,RoutingKey:"b:room1",PressureLevel:"normal"}
func BenchmarkA(b *testing.B){b.ReportAllocs(); for b.Loop(){json.Marshal(&s)}}
func BenchmarkB(b *testing.B){b.ReportAllocs(); o:=tasks.Outcome{Success:&s}; for b.Loop(){o.MarshalJSON()}}
