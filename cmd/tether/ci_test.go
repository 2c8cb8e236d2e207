package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
)

// script is what a job of docs/ci has a shell do.
type script struct{ file, name, text string }

func readYAMLFile(t *testing.T, file string, into any) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(raw, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

// workflowScripts reads the scripts of the workflows of GitHub, Gitea and Forgejo, and the tenant's.
func workflowScripts(t *testing.T) []script {
	t.Helper()
	files, err := filepath.Glob("../../docs/ci/[gt][ie][htn]*/*.yaml")
	if err != nil || len(files) != 7 {
		t.Fatalf("%v, %v", files, err)
	}
	var out []script
	for _, file := range files {
		var flow struct {
			On          any
			Permissions map[string]string
			Jobs        map[string]struct {
				Steps []struct{ Name, Uses, Run string }
			}
		}
		readYAMLFile(t, file, &flow)
		if len(flow.Jobs) == 0 || flow.On == nil || flow.Permissions["contents"] == "" {
			t.Errorf("%s: it has no jobs, nothing starts it, or its token may do anything", file)
		}
		for _, job := range flow.Jobs {
			for _, s := range job.Steps {
				if strings.Contains(s.Run, "${{") {
					t.Errorf("%s, %q: what others wrote becomes a part of the script: pass it by env", file, s.Name)
				}
				if s.Run != "" {
					out = append(out, script{file, s.Name, s.Run})
				}
			}
		}
	}
	return out
}

func gitlabScripts(t *testing.T) []script {
	t.Helper()
	const file = "../../docs/ci/gitlab/gitlab-ci.yml"
	jobs := map[string]yaml.Node{}
	readYAMLFile(t, file, &jobs)
	var out []script
	for _, name := range []string{"review", "live", "set-image"} {
		var job struct {
			Rules  []map[string]string
			Script []string
		}
		node := jobs[name]
		if err := node.Decode(&job); err != nil || len(job.Rules) == 0 || len(job.Script) == 0 {
			t.Fatalf("%s: job %s: %v, %+v", file, name, err, job)
		}
		out = append(out, script{file, name, strings.Join(job.Script, "\n")})
	}
	return out
}

var tetherCall = regexp.MustCompile(`(?m)^\s*tether (.*?)(?: >| \|\||$| #)`)

// What the jobs in docs/ci call is there: each script is one for a shell, and each
// command and flag of tether exists.
func TestTheJobsInTheDocsCallWhatThereIs(t *testing.T) {
	calls := 0
	for _, s := range append(workflowScripts(t), gitlabScripts(t)...) {
		if out, err := exec.Command("sh", "-n", "-c", s.text).CombinedOutput(); err != nil {
			t.Errorf("%s, %s: %v: %s", s.file, s.name, err, out)
		}
		for _, m := range tetherCall.FindAllStringSubmatch(s.text, -1) {
			calls++
			if err := parses(strings.Fields(m[1])); err != nil {
				t.Errorf("%s, %s: tether %s: %v", s.file, s.name, m[1], err)
			}
		}
	}
	if calls != 17 {
		t.Errorf("%d calls of tether are found", calls)
	}
	if parses([]string{"wait", "production"}) == nil || parses([]string{"diff", "--nosuch"}) == nil {
		t.Error("what is wrong is taken")
	}
}

// parses finds out whether a command would be taken, without running it.
func parses(args []string) error {
	root := newRoot()
	for _, c := range root.Commands() {
		c.RunE = func(*cobra.Command, []string) error { return nil }
	}
	root.SetArgs(args)
	root.SetOut(io.Discard)
	root.SetErr(io.Discard)
	return root.ExecuteContext(context.Background())
}

// host is a git host's comments on pull request 7, as its API has them.
type host struct {
	comments []map[string]any
	user     map[string]any
	wrong    string
}

func (h *host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization")+r.Header.Get("PRIVATE-TOKEN") == "" {
		h.wrong += "a request without a token; "
	}
	var answer any = h.comments
	var sent struct{ Body string }
	if r.Method != http.MethodGet {
		if err := json.NewDecoder(r.Body).Decode(&sent); err != nil || r.Header.Get("Content-Type") != "application/json" {
			h.wrong += fmt.Sprintf("%s: %v; ", r.URL, err)
		}
	}
	switch {
	case strings.HasSuffix(r.URL.Path, "/user"):
		answer = h.user
	case r.Method == http.MethodPost:
		h.comments = append(h.comments, map[string]any{"id": len(h.comments) + 1, "body": sent.Body, "user": h.user, "author": h.user})
	case r.Method == http.MethodPatch, r.Method == http.MethodPut:
		found := false
		for _, c := range h.comments {
			if strings.HasSuffix(r.URL.Path, fmt.Sprintf("/%v", c["id"])) {
				c["body"], found = sent.Body, true
			}
		}
		if !found {
			h.wrong += "there is no " + r.URL.Path + "; "
		}
	}
	_ = json.NewEncoder(w).Encode(answer) // who asks sees whether it arrived
}

// The scripts that comment do it once, and update that; what somebody else wrote stays.
func TestACommentIsUpdatedInPlace(t *testing.T) {
	for _, tool := range []string{"curl", "jq"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("the scripts need %s, which is not here", tool)
		}
	}
	users := map[string]string{"github": "github-actions[bot]", "gitea": "gitea-actions", "gitlab": "tether"}
	for _, s := range append(workflowScripts(t), gitlabScripts(t)...) {
		if !strings.Contains(s.text, "startswith") {
			continue
		}
		t.Run(filepath.Base(filepath.Dir(s.file)), func(t *testing.T) {
			me := map[string]any{"id": 42, "login": users[filepath.Base(filepath.Dir(s.file))]}
			h := &host{user: me, comments: []map[string]any{
				{"id": 1, "body": commentMark + " forged", "user": map[string]any{"id": 1, "login": "mallory"}, "author": map[string]any{"id": 1}}}}
			server := httptest.NewServer(h)
			defer server.Close()
			for _, body := range []string{"first", "second, with a \"quote\" and a `tick`"} {
				comment(t, s, server.URL, body)
			}
			if h.wrong != "" || len(h.comments) != 2 || h.comments[0]["body"] != commentMark+" forged" || h.comments[1]["body"] != commentMark+"\nsecond, with a \"quote\" and a `tick`\n" {
				t.Errorf("%s%v", h.wrong, h.comments)
			}
		})
	}
}

// comment runs a script that comments, with a tether that prints a text.
func comment(t *testing.T, s script, url, text string) {
	t.Helper()
	dir := t.TempDir()
	text = commentMark + "\n" + text + "\n"
	tether := "#!/bin/sh\n[ \"$1\" = diff ] || exit 0\ncat <<'END'\n" + text + "END\nexit 1\n"
	for name, content := range map[string]string{"diff.md": text, "tether": tether} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("sh", "-e", "-c", s.text)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "TOKEN=t", "PULL=7", "GITHUB_API_URL=" + url, "GITHUB_REPOSITORY=a/b",
		"CI_API_V4_URL=" + url, "CI_PROJECT_ID=3", "CI_MERGE_REQUEST_IID=7", "CI_MERGE_REQUEST_DIFF_BASE_SHA=0", "TETHER_COMMENT_TOKEN=t"}
	if out, err := cmd.CombinedOutput(); err != nil || bytes.Contains(out, []byte("error")) {
		t.Fatalf("%v: %s", err, out)
	}
}
