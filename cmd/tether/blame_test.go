package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// blamedRepository has two commits that matter, the first of them of 2026-11-24 at 12:00.
func blamedRepository(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	git := func(env []string, args ...string) {
		t.Helper()
		cmd := exec.Command("git", args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	commit := func(hour, author, subject string, files map[string]string) {
		t.Helper()
		for name, text := range files {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		at := "2026-11-24T" + hour + ":00Z"
		git(nil, "add", "-A")
		git([]string{"GIT_AUTHOR_DATE=" + at, "GIT_COMMITTER_DATE=" + at, "GIT_AUTHOR_NAME=" + author, "GIT_AUTHOR_EMAIL=a@example.com",
			"GIT_COMMITTER_NAME=" + author, "GIT_COMMITTER_EMAIL=a@example.com"}, "commit", "--quiet", "-m", subject)
	}
	git(nil, "init", "--quiet", "--initial-branch=main")
	commit("12:00", "Ann", "Start", map[string]string{
		"charts/web/Chart.yaml":              "apiVersion: v2\nname: web\nversion: 1.0.0\n",
		"charts/web/values.yaml":             "tag: v0\n",
		"charts/web/templates/web.yaml":      "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\nspec:\n  containers:\n    - name: web\n      image: example.com/web:{{ .Values.tag }}\n",
		"environments/prod/environment.yaml": "apiVersion: tether.stytex.cloud/v1\nkind: Environment\nmetadata: {name: prod}\nspec:\n  namespace: prod\n  releases:\n    - {name: web, chart: charts/web, values: [web.yaml]}\n",
		"environments/prod/web.yaml":         "tag: v1\n",
	})
	commit("14:00", "Ben", "Bump to v2", map[string]string{"environments/prod/web.yaml": "tag: v2\n"})
	return dir
}

// runOn runs tether on a repository, with no cluster.
func runOn(t *testing.T, dir string, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	t.Setenv("KUBECONFIG", filepath.Join(dir, "none"))
	args = append(args, "--repo", dir)
	code = run(context.Background(), args, &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func TestBlameWithoutACluster(t *testing.T) {
	dir := blamedRepository(t)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	const image = "spec.containers[name=web].image"
	for _, test := range []struct {
		name string
		args []string
		code int
		want []string
	}{
		{"one field is told in full", []string{"blame", "prod", "pod/web", image}, 0, []string{`image: "example.com/web:v2"`, "Bump to v2 (Ben <a@example.com>, 2026-11-24T14:00:00Z)",
			"environments/prod/web.yaml:1 tag", "template  charts/web/templates/web.yaml:8", "note: verdicts are not told: "}},
		{"a manifest has a line for each field", []string{"blame", "prod"}, 0, []string{"Ben  2026-11-24  environments/prod/web.yaml:1 tag", "│     - image: example.com/web:v2", "│ kind: Pod"}},
		{"as it was before", []string{"blame", "prod", "pod/web", image, "--revision", "HEAD~1"}, 0, []string{`"example.com/web:v1"`, "Start (Ann"}},
		{"an object that is not rendered", []string{"blame", "prod", "pod/wep"}, 2, []string{"environment prod renders no pod/wep", "Pod prod/web"}},
		{"no object at all", []string{"blame", "prod", "web"}, 2, []string{`object "web": write Kind.group name`}},
		{"a path that is not there", []string{"blame", "prod", "pod/web", "spec.replicas"}, 2, []string{"pod/web has no field spec.replicas"}},
		{"an environment that is not there", []string{"blame", "stage"}, 2, []string{"the repository has no environment stage"}},
		{"a revision that is not there", []string{"blame", "prod", "--revision", "v9"}, 2, []string{"find revision v9"}},
		{"a page of an object", []string{"why", "prod", "pod/web"}, 0, []string{"Pod prod/web", "release     web of environment prod", "last change ", "Bump to v2", "undo        git revert ", "note: health, drift and events are not told: "}},
		{"what ran at a time, by git", []string{"status", "prod", "--at", "2026-11-24T13:00Z"}, 0, []string{"Start (Ann", "example.com/web:v1", "by git alone"}},
		{"a time before the first commit", []string{"status", "prod", "--at", "2026-11-24T11:00Z"}, 2, []string{"2026-11-24T11:00:00Z is before the first commit"}},
		{"a time before all", []string{"status", "prod", "--at", "0001-01-01"}, 2, []string{"0001-01-01 is before 1970, when git's times begin"}},
		{"what a commit runs", []string{"status", "prod", "--at", "HEAD~1"}, 0, []string{"example.com/web:v1"}},
		{"what was rendered at a time", []string{"render", "prod", "--at", "2026-11-24T13:00Z"}, 0, []string{"example.com/web:v1", "by git alone"}},
		{"what has changed since", []string{"diff", "prod", "--from", "@2026-11-24T13:00Z"}, 1, []string{"web: v1 -> v2"}},
		{"the same by another flag", []string{"diff", "prod", "--at", "2026-11-24T13:00Z"}, 1, []string{"web: v1 -> v2"}},
		{"a time is an environment's", []string{"diff", "--from", "@2026-11-24T13:00Z"}, 2, []string{"what ran in an environment: name one"}},
		{"no time", []string{"diff", "prod", "--from", "@noon"}, 2, []string{"is no time: write 2026-11-24T14:02Z"}},
		{"around, with what does not go with it", []string{"history", "prod", "--at", "14:02", "--since", "1h"}, 2, []string{"leave --since"}},
	} {
		code, out, errs := runOn(t, dir, test.args...)
		if code != test.code {
			t.Errorf("%s: exit code %d, want %d\n%s%s", test.name, code, test.code, out, errs)
		}
		for _, want := range test.want {
			if !strings.Contains(out+errs, want) {
				t.Errorf("%s: no %q in\n%s%s", test.name, want, out, errs)
			}
		}
	}
}

// Other programs read what is printed as JSON.
func TestBlameAsJSON(t *testing.T) {
	dir := blamedRepository(t)
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	for range 2 { // the second answer is the kept one
		_, out, errs := runOn(t, dir, "blame", "prod", "pod/web", "-o", "json")
		var got struct {
			Commit   string
			Releases []struct {
				Name    string
				Commits []struct{ Commit, Subject string }
				Objects []struct {
					Object string
					Fields []struct {
						Path, Value, Commit string
						Set                 []struct{ File, Key string }
					}
				}
			}
		}
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatalf("%v\n%s%s", err, out, errs)
		}
		if len(got.Releases) != 1 || len(got.Releases[0].Objects) != 1 || len(got.Releases[0].Commits) != 2 {
			t.Fatalf("%s", out)
		}
		found := false
		for _, f := range got.Releases[0].Objects[0].Fields {
			if f.Path == "spec.containers[name=web].image" {
				found = f.Commit == got.Commit && len(f.Set) == 1 && f.Set[0].Key == "tag"
			}
			if f.Set == nil {
				t.Errorf("%s: set is null, not a list", f.Path)
			}
		}
		if !found {
			t.Errorf("the image is told otherwise:\n%s", out)
		}
	}
}
