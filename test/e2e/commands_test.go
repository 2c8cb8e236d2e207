package e2e_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// patience is how long a script waits for what it expects. It is reached only
// when a test fails.
const patience = 90 * time.Second

// await waits until an environment's head is the last commit, with a verdict
// and, if given, a reason that matches: await ENVIRONMENT VERDICT [REGEXP].
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: await ENVIRONMENT VERDICT [REGEXP]")
	}
	var reason *regexp.Regexp
	if len(args) == 3 {
		reason = regexp.MustCompile(args[2])
	}
	eventually(ts, func() string {
		out, err := output(ts, "tether", "status", args[0], "-o", "json")
		if err != nil {
			return out
		}
		var s struct {
			Head            struct{ Commit string }
			Verdict, Reason string
		}
		ts.Check(json.Unmarshal([]byte(out), &s))
		if s.Head.Commit != ts.Getenv("HEAD") || s.Verdict != args[1] || reason != nil && !reason.MatchString(s.Reason) {
			return fmt.Sprintf("%.7s is %s: %s; want %.7s %s", s.Head.Commit, s.Verdict, s.Reason, ts.Getenv("HEAD"), strings.Join(args[1:], " "))
		}
		return ""
	})
}

// until runs a command until its output matches, or with ! no longer does:
// [!] until REGEXP COMMAND…
func until(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: until REGEXP COMMAND…")
	}
	want := regexp.MustCompile(args[0])
	eventually(ts, func() string {
		out, err := output(ts, args[1:]...)
		if want.MatchString(out) != neg && (err == nil || neg) {
			return ""
		}
		return fmt.Sprintf("%v: %v\n%s", args[1:], err, out)
	})
}

func eventually(ts *testscript.TestScript, check func() string) {
	deadline := time.Now().Add(patience)
	for {
		wrong := check()
		if wrong == "" {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("not seen after %s: %s", patience, wrong)
		}
		time.Sleep(100 * time.Millisecond) // between two looks at a condition
	}
}

func output(ts *testscript.TestScript, args ...string) (string, error) {
	var env []string
	for _, name := range []string{"PATH", "KUBECONFIG", "HOME", "TETHER_NAMESPACE", "TETHER_REPO"} {
		env = append(env, name+"="+ts.Getenv(name))
	}
	path := args[0]
	for _, dir := range strings.Split(ts.Getenv("PATH"), string(os.PathListSeparator)) {
		if _, err := os.Stat(dir + "/" + args[0]); err == nil {
			path = dir + "/" + args[0]
			break
		}
	}
	cmd := exec.Command(path, args[1:]...)
	cmd.Env, cmd.Dir = env, ts.MkAbs(".")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// snapshot writes every object of the script's namespace to a file, one a line
// with its UID and resource version: snapshot FILE.
func snapshot(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: snapshot FILE")
	}
	const kinds = "deployments,statefulsets,jobs,pods,services,configmaps,secrets,serviceaccounts,roles,persistentvolumeclaims"
	const columns = "custom-columns=KIND:.kind,NAME:.metadata.name,UID:.metadata.uid,VERSION:.metadata.resourceVersion"
	out, err := output(ts, "kubectl", "get", kinds, "--namespace", ts.Getenv("NS"), "--output", columns)
	if err != nil {
		ts.Fatalf("snapshot: %s", out)
	}
	namespaces, err := output(ts, "kubectl", "get", "namespace", ts.Getenv("NS"), "--ignore-not-found", "--output", columns)
	if err != nil {
		ts.Fatalf("snapshot: %s", namespaces)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(out+namespaces), 0o600))
}
