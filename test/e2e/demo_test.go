package e2e_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/xetys/tether/test/cluster"
)

// The demo's whole walk, with an agent that has nothing but the token of the
// ServiceAccount that charts/tether installs, and that goes on when the demo has ended.
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
	cmd := exec.Command(tether, "demo", "--service-account", "--keep", "--dir", t.TempDir())
	cmd.Dir, cmd.WaitDelay = root, time.Minute // what it leaves must not hold its output
	out, err := cmd.CombinedOutput()
	t.Cleanup(func() { endKept(t, string(out)) })
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"rolled-back", "by kubectl-edit", "no-op"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the demo's output lacks %q:\n%s", want, out)
		}
	}
	readmeIsTrue(t, root, string(out))
	said := func(pattern string) string {
		m := regexp.MustCompile(pattern).FindStringSubmatch(string(out))
		if m == nil {
			t.Fatalf("it does not say %s:\n%s", pattern, out)
		}
		return m[1]
	}
	if page, err := http.Get(said(`\nThe status page: (http://\S+/)\n`)); err != nil {
		t.Error(err)
	} else if page.Body.Close(); page.StatusCode != http.StatusOK {
		t.Errorf("the status page: %s", page.Status)
	}
	checkout, kubeconfig := said(`cd (\S+) && git commit`), said(`export KUBECONFIG=(\S+)`)
	script := "set -e\ncd $1\ngit commit --quiet --allow-empty --message 'Nothing changes'\ngit push --quiet\n$2 wait production $(git rev-parse HEAD) --timeout 2m\n"
	later := exec.Command("sh", "-c", script, "sh", checkout, tether)
	later.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig)
	if out, err := later.CombinedOutput(); err != nil || !strings.Contains(string(out), "no-op") {
		t.Errorf("the agent does not live: %v\n%s", err, out)
	}
}

// readmeIsTrue holds the transcript of the README to what the demo printed, but for times, names
// of commits and pods, and how long something took.
func readmeIsTrue(t *testing.T, root, out string) {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "This is output of `make demo`")
	_, rest, _ = strings.Cut(rest, ":\n\n")
	transcript, _, _ := strings.Cut(rest, "\n\nRun the demo")
	varies := regexp.MustCompile(`\d\d:\d\d:\d\d\.\d+ |environment=production |[0-9a-f]{7,10}\b|-[a-z0-9]{5}\b|\d+(ms|m|s)\b|\d{4}-\d\d-\d\dT[0-9:]+Z|\s+`)
	plain := func(text string) string { return varies.ReplaceAllString(text, "") }
	printed, lines := plain(out), 0
	for _, line := range strings.Split(transcript, "\n") {
		if line = plain(strings.TrimSuffix(line, "…")); line == "" {
			continue
		}
		if lines++; !strings.Contains(printed, line) {
			t.Errorf("the README's transcript has %q, which the demo does not print", line)
		}
	}
	if lines < 10 {
		t.Errorf("the README's transcript has %d lines: it is not where it was", lines)
	}
}

// endKept ends what the demo left running, as it says.
func endKept(t *testing.T, out string) {
	m := regexp.MustCompile(`kill (\d+); (\S+) down --dir (\S+)`).FindStringSubmatch(out)
	if m == nil {
		return // it failed, and left nothing
	}
	if pid, err := strconv.Atoi(m[1]); err == nil {
		for deadline := time.Now().Add(time.Minute); syscall.Kill(pid, syscall.SIGTERM) == nil && time.Now().Before(deadline); {
			time.Sleep(100 * time.Millisecond) // until it has ended
		}
	}
	if out, err := exec.Command(m[2], "down", "--dir", m[3]).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
