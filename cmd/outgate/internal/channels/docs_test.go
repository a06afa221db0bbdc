package channels

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var updatePage = flag.Bool("update", false, "write docs/channels.md")

const channelsPage = "../../../../docs/channels.md"

// TestThePageOfChannelsIsGenerated writes the page with -update.
func TestThePageOfChannelsIsGenerated(t *testing.T) {
	want := page(t)
	if *updatePage {
		if err := os.WriteFile(channelsPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(channelsPage)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("got a docs/channels.md that is not the generated one; make docs writes it (-want +got):\n%s", diff)
	}
}

func TestThePageOfChannelsHasASectionOfEach(t *testing.T) {
	page, err := os.ReadFile(channelsPage)
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range List {
		channel := spec.Type
		_, section, found := strings.Cut(string(page), "\n## "+channel+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		if !found {
			t.Errorf("there is no section of %s", channel)
		}
		for _, key := range spec.Keys {
			if !regexp.MustCompile("\\b" + key.Name + "(_file)?(: |`)").MatchString(section) {
				t.Errorf("the section of %s does not name %s", channel, key.Name)
			}
		}
		capabilities := opened(t, &spec, spec.Example()).Capabilities()
		if !strings.Contains(section, "**"+string(capabilities.Idempotency)+"**") {
			t.Errorf("the section of %s does not say that it is **%s**", channel, capabilities.Idempotency)
		}
		for _, bound := range []int{capabilities.Text.Max, capabilities.Caption.Max} {
			if bound > 0 && !strings.Contains(section, thousands(bound)) {
				t.Errorf("the section of %s does not say that a text has at most %s", channel, thousands(bound))
			}
		}
	}
}
