package e2e_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/xetys/tether/test/cluster"
)

// The demo's whole walk, with an agent that has nothing but the token of the
// ServiceAccount that charts/tether installs.
func TestDemoWithTheChartsServiceAccount(t *testing.T) {
	t.Parallel()
	tether, err := cluster.Binary("tether")
	if err != nil {
		t.Fatal(err)
	}
	root, err := cluster.Root()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(tether, "demo", "--service-account")
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"rolled-back", "by kubectl-edit", "no-op"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the demo's output lacks %q:\n%s", want, out)
		}
	}
}
