package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// patience is how long a script waits for what it expects. It is reached only
// when a test fails.
const patience = 90 * time.Second

// await waits until an environment's head is the last commit, with a verdict out of
// some, and a reason that matches: await [DURATION] ENVIRONMENT VERDICT|… [REGEXP]
func await(ts *testscript.TestScript, neg bool, args []string) {
	limit := patience
	if len(args) > 0 {
		if d, err := time.ParseDuration(args[0]); err == nil {
			limit, args = d, args[1:]
		}
	}
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: await [DURATION] ENVIRONMENT VERDICT|… [REGEXP]")
	}
	verdicts, reason := strings.Split(args[1], "|"), regexp.MustCompile(strings.Join(args[2:], ""))
	eventuallyWithin(ts, limit, func() string {
		out, err := output(ts, "tether", "status", args[0], "-o", "json")
		if err != nil {
			return out
		}
		var s struct {
			Head            struct{ Commit string }
			Verdict, Reason string
		}
		ts.Check(json.Unmarshal([]byte(out), &s))
		if s.Head.Commit != ts.Getenv("HEAD") || !slices.Contains(verdicts, s.Verdict) || !reason.MatchString(s.Reason) {
			return fmt.Sprintf("%.7s is %s: %s; want %.7s %s", s.Head.Commit, s.Verdict, s.Reason, ts.Getenv("HEAD"), strings.Join(args[1:], " "))
		}
		return ""
	})
}

// hang starts a server that takes connections and says nothing; $HANGS is its address.
func hang(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: hang")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	ts.Setenv("HANGS", l.Addr().String()) // the kernel takes connections that nobody accepts
}

// until runs a command until its output matches, or with ! no longer does:
// [!] until REGEXP COMMAND…
func until(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: until REGEXP COMMAND…")
	}
	eventually(ts, matches(ts, neg, args))
}

// within is until for what has to be seen within a time: [!] within DURATION REGEXP
// COMMAND…
func within(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 3 {
		ts.Fatalf("usage: within DURATION REGEXP COMMAND…")
	}
	limit, err := time.ParseDuration(args[0])
	ts.Check(err)
	eventuallyWithin(ts, limit, matches(ts, neg, args[1:]))
}

// answersAtOnce holds a command to an answer that matches, within a second of its own: what
// other tests take of the processors meanwhile does not count. The fastest of three tries is
// taken, and the exit code does not matter: answers REGEXP COMMAND…
func answersAtOnce(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: answers REGEXP COMMAND…")
	}
	const limit, held = time.Second, 10 * time.Second
	want, fastest := regexp.MustCompile(args[0]), time.Hour
	for range 3 {
		cmd, begun := typed(ts, args[1:]...), time.Now()
		out, err := cmd.CombinedOutput()
		took := time.Since(begun)
		if own := cmd.ProcessState; own != nil && took < held {
			took = min(took, own.UserTime()+own.SystemTime())
		}
		fastest = min(fastest, took)
		if !want.Match(bytes.TrimSpace(out)) {
			ts.Fatalf("%v: %v\n%s", args[1:], err, out)
		}
		if fastest <= limit {
			ts.Logf("%v: %s", args[1:], fastest.Round(time.Millisecond))
			return
		}
	}
	ts.Fatalf("%v takes %s, longer than %s", args[1:], fastest, limit)
}

// matches looks whether a command's output matches now.
func matches(ts *testscript.TestScript, neg bool, args []string) func() string {
	if strings.Contains(args[0], `"verdict"`) {
		ts.Fatalf("a verdict may be the former commit's: wait for it with await")
	}
	want := regexp.MustCompile(args[0])
	return func() string {
		out, err := output(ts, args[1:]...)
		if want.MatchString(out) != neg && (err == nil || neg) {
			return ""
		}
		return fmt.Sprintf("%v: %v\n%s", args[1:], err, out)
	}
}

func eventually(ts *testscript.TestScript, check func() string) {
	eventuallyWithin(ts, patience, check)
}

func eventuallyWithin(ts *testscript.TestScript, limit time.Duration, check func() string) {
	deadline := time.Now().Add(limit)
	for {
		began := time.Now()
		wrong := check()
		if wrong == "" {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("not seen after %s: %s", limit, wrong)
		}
		// A look is a program that starts: most of the time is left to what is waited for.
		time.Sleep(min(100*time.Millisecond+2*time.Since(began), time.Second))
	}
}

func output(ts *testscript.TestScript, args ...string) (string, error) {
	out, err := typed(ts, args...).CombinedOutput()
	return string(out), err
}

// typed is what a script types, in its folder and with its environment.
func typed(ts *testscript.TestScript, args ...string) *exec.Cmd {
	var env []string
	for _, name := range []string{"PATH", "KUBECONFIG", "HOME", "NS", "TETHER_NAMESPACE", "TETHER_REPO"} {
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
	return cmd
}

// snapshot writes every object of the script's namespace to a file, one a line
// with its UID and resource version, once the cluster's controllers are done with
// them: snapshot FILE.
func snapshot(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: snapshot FILE")
	}
	const settled = 4 // how many looks in a row see the same
	last, same := "", 0
	eventually(ts, func() string {
		now := objectsOf(ts)
		if now != last {
			last, same = now, 0
		}
		if same++; same < settled {
			return "objects change:\n" + now
		}
		return ""
	})
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(last), 0o600))
}

// objectsOf lists the objects of the script's namespace.
func objectsOf(ts *testscript.TestScript) string {
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
	return out + namespaces
}

// runs holds the Deployment web to run a tag now: runs TAG.
func runs(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: runs TAG")
	}
	out, err := output(ts, "kubectl", "get", "deployment", "web", "--namespace", ts.Getenv("NS"), "--output", "jsonpath={.spec.template.spec.containers[0].image}")
	if err != nil || !strings.HasSuffix(out, ":"+args[0]) {
		ts.Fatalf("web runs %s, %v; want %s", out, err, args[0])
	}
}

// exits runs a command that has to end with an exit code: exits CODE COMMAND… Its
// output is in the file "output".
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	out, err := output(ts, args[1:]...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v: %v", args[1:], err)
	}
	ts.Logf("%s", out)
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("%v: exit code %d, not %s", args[1:], code, args[0])
	}
	ts.Check(os.WriteFile(ts.MkAbs("output"), []byte(out), 0o600))
}

// serve serves a folder over HTTP on all addresses of the machine until the
// script ends, as $ADDRESS, an address that is not loopback if there is one, and
// $PORT. A request for what is no file is answered with 503.
func serve(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: serve FOLDER")
	}
	dir := ts.MkAbs(args[0])
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, err := os.ReadFile(filepath.Join(dir, filepath.Clean("/"+r.URL.Path)))
		if err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write(raw) // who asks sees whether it arrived
	}))
	listener, err := net.Listen("tcp", ":0")
	ts.Check(err)
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	ts.Defer(server.Close)
	_, port, err := net.SplitHostPort(listener.Addr().String())
	ts.Check(err)
	ts.Setenv("PORT", port)
	ts.Setenv("ADDRESS", outside(ts))
}

func outside(ts *testscript.TestScript) string {
	all, err := net.InterfaceAddrs()
	ts.Check(err)
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	ts.Fatalf("this machine has no address but loopback, which the API server's proxy refuses to reach")
	return ""
}
