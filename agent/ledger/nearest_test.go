package ledger

import (
	"fmt"
	"strings"
	"testing"
)

func TestANameThatIsWrongIsToldWithTheNearest(t *testing.T) {
	var many []string
	for i := range 30 {
		many = append(many, fmt.Sprintf("customer-%02d", i))
	}
	for sentence, c := range map[string]struct {
		name  string
		known []string
		want  string
	}{
		"a slip":                       {"prdo", []string{"dev", "prod"}, "dev, prod; did you mean prod?"},
		"a beginning":                  {"prod", []string{"dev", "production"}, "dev, production; did you mean production?"},
		"something else":               {"nosuch", []string{"dev", "prod"}, "dev, prod"},
		"of many the nearest":          {"customer-070", many, "customer-00, customer-01, customer-02, customer-03, customer-04, customer-05, customer-06, customer-07, customer-08, customer-09 and 20 more; did you mean customer-00 or customer-07 or customer-01?"},
		"several that are equally far": {"stag", []string{"stage-a", "stage-b"}, "stage-a, stage-b; did you mean stage-a or stage-b?"},
	} {
		if have := instead(c.name, c.known); !strings.HasPrefix(have, c.want) {
			t.Errorf("%s: %s; want %s", sentence, have, c.want)
		}
	}
	if have := SuggestNames("prod", nil); have != "" {
		t.Errorf("where there are none: %q", have)
	}
}

func TestHowFarNamesAreApart(t *testing.T) {
	for pair, want := range map[[2]string]int{{"", "ab"}: 2, {"ab", ""}: 2, {"ab", "ab"}: 0, {"kitten", "sitting"}: 3, {"prdo", "prod"}: 2} {
		if have := distance(pair[0], pair[1]); have != want {
			t.Errorf("%v: %d, not %d", pair, have, want)
		}
	}
}
