package blame_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xetys/tether/render"
	"github.com/xetys/tether/render/blame"
	"github.com/xetys/tether/render/worker"
	"github.com/xetys/tether/source/git"
)

func TestMain(m *testing.M) {
	worker.Main()
	os.Exit(m.Run())
}

// past is a repository's history, as the command line gives it.
type past struct{ *git.Past }

func (p past) Commit(rev string) (*blame.Commit, error) {
	a, err := p.Past.Commit(rev)
	if err != nil {
		return nil, err
	}
	return &blame.Commit{SHA: a.SHA, Subject: a.Subject, Author: a.Author, Time: a.Time, Parents: a.Parents, Cut: a.Cut, Files: a.Files}, nil
}

// written makes a repository of a text that lists commits, by git fast-import, and returns
// its folder. Each begins with a line "== NUMBER AUTHOR: SUBJECT", after which "(from N)"
// or "(merges N M)" may stand, and goes on with files "-- NAME --", "-- NAME -> NAME --"
// or "-- NAME deleted --".
func written(t testing.TB, text string) string {
	t.Helper()
	dir := t.TempDir()
	var in bytes.Buffer
	last := ""
	for part := range strings.SplitSeq(text, "== ") {
		if part == "" {
			continue
		}
		title, files, _ := strings.Cut(part, "\n")
		number, title, _ := strings.Cut(title, " ")
		author, subject, _ := strings.Cut(title, ": ")
		var parents []string
		if last != "" {
			parents = []string{last}
		}
		subject, how, _ := strings.Cut(subject, " (")
		if rest, ok := strings.CutPrefix(how, "from "); ok {
			parents = []string{strings.TrimSuffix(rest, ")")}
		}
		if rest, ok := strings.CutPrefix(how, "merges "); ok {
			parents = strings.Fields(strings.TrimSuffix(rest, ")"))
		}
		who := fmt.Sprintf("%s <%s@example.com> %d +0000", author, strings.ToLower(author), 1_700_000_000+3600*(len(parents)+len(in.Bytes())))
		fmt.Fprintf(&in, "commit refs/heads/main\nmark :%s\nauthor %s\ncommitter %s\ndata %d\n%s\n", number, who, who, len(subject), subject)
		for i, p := range parents {
			fmt.Fprintf(&in, "%s :%s\n", []string{"from", "merge"}[min(i, 1)], p)
		}
		if strings.HasPrefix(how, "merges") { // what the second parent has of charts/
			fmt.Fprintf(&in, "%s", merging)
		}
		writeFiles(&in, files)
		in.WriteByte('\n')
		last = number
	}
	runGit(t, dir, nil, "init", "--quiet", "--bare", "--initial-branch=main", ".")
	runGit(t, dir, &in, "fast-import", "--quiet", "--export-marks="+filepath.Join(dir, "numbers"))
	return dir
}

// merging is the one merge's content: fast-import takes the first parent's files.
const merging = "M 100644 inline charts/web/Chart.yaml\ndata 40\napiVersion: v2\nname: web\nversion: 1.1.0\n\n"

func writeFiles(in *bytes.Buffer, text string) {
	for part := range strings.SplitSeq("\n"+text, "\n-- ") {
		head, body, _ := strings.Cut(part, "\n")
		name, ok := strings.CutSuffix(head, " --")
		if !ok {
			continue
		}
		if from, to, ok := strings.Cut(name, " -> "); ok {
			fmt.Fprintf(in, "R %s %s\n", from, to)
			continue
		}
		if gone, ok := strings.CutSuffix(name, " deleted"); ok {
			fmt.Fprintf(in, "D %s\n", gone)
			continue
		}
		if body != "" && !strings.HasSuffix(body, "\n") {
			body += "\n"
		}
		fmt.Fprintf(in, "M 100644 inline %s\ndata %d\n%s\n", name, len(body), body)
	}
}

func runGit(t testing.TB, dir string, in *bytes.Buffer, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	if in != nil {
		cmd.Stdin = in
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// numbersOf are the commits' numbers by their hashes.
func numbersOf(t testing.TB, dir string) map[string]string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "numbers"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(raw)) {
		mark, sha, _ := strings.Cut(strings.TrimSpace(line), " ")
		out[sha] = strings.TrimPrefix(mark, ":")
	}
	return out
}

func open(t testing.TB, dir string) (past, *blame.Blamer) {
	t.Helper()
	p, err := git.OpenPast(dir)
	if err != nil {
		t.Fatal(err)
	}
	return past{p}, &blame.Blamer{History: past{p}, Renderer: render.NewRenderer(render.Config{Lenient: true}),
		Options: render.Options{Revision: 1, Capabilities: render.OfflineCapabilities("", nil)}}
}

func ask(t testing.TB, dir, rev, release string, asked blame.Query) *blame.Release {
	t.Helper()
	p, b := open(t, dir)
	head, err := p.Commit(rev)
	if err != nil {
		t.Fatal(err)
	}
	rel, err := b.Release(context.Background(), head, "prod", release, asked)
	if err != nil {
		t.Fatal(err)
	}
	return rel
}

func read(t testing.TB, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// told is the answer about one field, as the tables have it.
func told(f blame.Field, numbers map[string]string) (commit, where string) {
	commit = numbers[f.Commit]
	if f.Merge != "" {
		commit += " merged by " + numbers[f.Merge]
	}
	if f.Older {
		commit += " or before"
	}
	var places []string
	for _, p := range f.Set {
		places = append(places, placed(p))
	}
	switch {
	case f.Generated:
		return commit, "generated"
	case len(places) == 0 && f.Template != nil:
		return commit, placed(*f.Template)
	}
	return commit, strings.Join(places, " + ")
}

func placed(p render.Place) string {
	text := fmt.Sprintf("%s %s:%d %s %s", p.Kind, p.File, p.Line, p.Key, p.Of)
	return strings.Join(strings.Fields(text), " ")
}

// The history of testdata/history.txt, against what testdata/answers.txt knows of it.
func TestEachLineHasItsCommitAndItsPlace(t *testing.T) {
	dir := written(t, read(t, "history.txt"))
	numbers := numbersOf(t, dir)
	rel := ask(t, dir, "main", "front", blame.Query{})
	got := map[string]blame.Field{}
	for _, o := range rel.Objects {
		for _, f := range o.Fields {
			got[o.Object+" "+f.Path] = f
			if f.Commit == "" {
				t.Errorf("%s %s has no commit", o.Object, f.Path)
			}
		}
	}
	for line := range strings.Lines(read(t, "answers.txt")) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 4 || strings.HasPrefix(line, "#") {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		f, ok := got[cells[0]+" "+cells[1]]
		if !ok {
			t.Errorf("%s has no %s", cells[0], cells[1])
			continue
		}
		commit, where := told(f, numbers)
		if commit != cells[2] || where != cells[3] {
			t.Errorf("%s %s:\n got %s, %s\nwant %s, %s", cells[0], cells[1], commit, where, cells[2], cells[3])
		}
	}
	if !slices.ContainsFunc(rel.Notes, func(n string) bool { return strings.Contains(n, "can't be rendered") }) {
		t.Errorf("the commit that can't be rendered is not named: %q", rel.Notes)
	}
}

// What is asked of one field is the same as what is told of it among all.
func TestOneFieldIsToldAsAmongAll(t *testing.T) {
	dir := written(t, read(t, "history.txt"))
	all := ask(t, dir, "main", "front", blame.Query{})
	for _, o := range all.Objects {
		for _, f := range o.Fields {
			if !strings.Contains(f.Path, "image") && !strings.Contains(f.Path, "limits") && !strings.Contains(f.Path, "color") {
				continue
			}
			one := ask(t, dir, "main", "front", blame.Query{Objects: []string{o.Object}, Path: f.Path})
			if len(one.Objects) != 1 || len(one.Objects[0].Fields) != 1 {
				t.Fatalf("%s: %+v", f.Path, one.Objects)
			}
			if got, want := fmt.Sprintf("%+v", one.Objects[0].Fields[0].Set), fmt.Sprintf("%+v", f.Set); got != want {
				t.Errorf("%s:\n got %s\nwant %s", f.Path, got, want)
			}
		}
	}
}

func TestSecretsAreToldByTheirPlaceAlone(t *testing.T) {
	dir := written(t, read(t, "history.txt"))
	rel := ask(t, dir, "main", "front", blame.Query{Objects: []string{"Secret prod/front"}})
	for _, f := range rel.Objects[0].Fields {
		if strings.HasPrefix(f.Path, "stringData") && f.Value != "***" {
			t.Errorf("%s is shown: %s", f.Path, f.Value)
		}
	}
}

// A clone that ends early says so, of what did not change since.
func TestAShallowCloneSaysWhereItEnds(t *testing.T) {
	dir := written(t, read(t, "history.txt"))
	shallow := t.TempDir()
	runGit(t, shallow, nil, "clone", "--quiet", "--bare", "--depth", "3", "file://"+dir, ".")
	rel := ask(t, shallow, "main", "front", blame.Query{Objects: []string{"Deployment.apps prod/front"}})
	numbers := numbersOf(t, dir)
	for _, f := range rel.Objects[0].Fields {
		commit, _ := told(f, numbers)
		switch f.Path {
		case "spec.replicas":
			if commit != "11 or before" {
				t.Errorf("%s: %s", f.Path, commit)
			}
		case "metadata.name":
			if commit != "13" {
				t.Errorf("%s: %s", f.Path, commit)
			}
		}
	}
}

// The second time nothing is rendered, and the answer is the same.
func TestAnAnswerIsKept(t *testing.T) {
	dir := written(t, read(t, "history.txt"))
	p, b := open(t, dir)
	b.Cache = blame.OpenCache(t.TempDir(), "test", 1<<20)
	head, err := p.Commit("main")
	if err != nil {
		t.Fatal(err)
	}
	first, err := b.Release(context.Background(), head, "prod", "front", blame.Query{})
	if err != nil {
		t.Fatal(err)
	}
	b.Renderer = nil // it would be a nil dereference
	second, err := b.Release(context.Background(), head, "prod", "front", blame.Query{})
	if err != nil {
		t.Fatal(err)
	}
	if a, b := fmt.Sprintf("%+v", first.Objects[0]), fmt.Sprintf("%+v", second.Objects[0]); a != b && !strings.Contains(a, "0x") {
		t.Errorf("the answer differs:\n%s\n%s", a, b)
	}
	one, err := b.Release(context.Background(), head, "prod", "front", blame.Query{Path: "spec.replicas"})
	if err != nil || len(one.Objects) != 1 || len(one.Objects[0].Fields) != 1 || len(one.Commits) != 1 {
		t.Errorf("one field of it: %+v, %v", one, err)
	}
}
