package main

import (
	"strings"
	"testing"
)

const good = `apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
  containers:
    - name: c
      image: i
      securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
`

func TestAFaultInAManifestIsFound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ old, new, want string }{
		"no fault":                             {"", "", ""},
		"a field that is not there":            {"image:", "imagee:", `unknown field "imagee"`},
		"a field given twice":                  {"image: i", "image: i\n      image: j", `"image" already set`},
		"a value of another type":              {"runAsNonRoot: true", "runAsNonRoot: 1", "cannot unmarshal number"},
		"a kind that is not checked":           {"kind: Pod", "kind: Job", "not a kind that is checked"},
		"an invalid name":                      {"{name: p}", "{name: P_}", "RFC 1123"},
		"an invalid label":                     {"{name: p}", "{name: p, labels: {a: 'b c'}}", "a valid label must be"},
		"a pod that may be root":               {"runAsNonRoot: true, ", "", "runAsNonRoot != true"},
		"a pod that may gain rights":           {"allowPrivilegeEscalation: false, ", "", "allowPrivilegeEscalation != false"},
		"a pod that keeps its capabilities":    {", capabilities: {drop: [ALL]}", "", "unrestricted capabilities"},
		"a pod without a seccomp profile":      {", seccompProfile: {type: RuntimeDefault}", "", "seccompProfile"},
		"a pod that mounts a path of its host": {"spec:\n", "spec:\n  volumes: [{name: v, hostPath: {path: /}}]\n", "restricted volume types"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(good, c.old, c.new, 1)
			_, err := Check([]byte(text))
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestAnEmptyStreamIsAFault(t *testing.T) {
	t.Parallel()
	if _, err := Check([]byte("---\n# nothing\n")); err == nil {
		t.Error("got no error for an empty stream, want one")
	}
}
