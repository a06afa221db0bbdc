package matrix_test

import (
	"strings"
	"testing"

	"github.com/outgate/outgate/classify"
	"github.com/outgate/outgate/handlers/matrix/matrixfake"
)

func TestCheckIsAboutTheTokenAndRemembersNothing(t *testing.T) {
	fake, c := homeserver(t, matrixfake.Config{})
	if err := c.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	fake.SetToken("another")
	err := c.Check(t.Context())
	if v := classify.Classify(err); v.Category != classify.Fatal || v.Provider.Code != "M_UNKNOWN_TOKEN" {
		t.Errorf("got %v: %+v", err, v)
	}
	if strings.Contains(err.Error(), matrixfake.DefaultToken) {
		t.Errorf("the token stands in %v", err)
	}
	if n := fake.Counts(); n.Requests != 2 || n.Refused != 1 {
		t.Errorf("the counts are %+v", n)
	}
}
