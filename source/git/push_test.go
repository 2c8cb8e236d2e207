package git_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	xssh "golang.org/x/crypto/ssh"

	"github.com/xetys/tether/source"
	"github.com/xetys/tether/source/git"
)

var bot = &git.Committer{Name: "Tether", Email: "tether@example.com"}

// proposal is a change of a file in a folder.
func proposal(base, branch string) source.Proposal {
	return source.Proposal{Ref: "main", Base: base, Branch: branch, Files: map[string][]byte{"a/b/values.yaml": []byte("tag: v2\n")},
		Message: "prod: promote web from dev\n\nPromoted-From: dev@1\n", Time: time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)}
}

func newPushable(t *testing.T) (r *remote, head string) {
	t.Helper()
	r = newRemote(t)
	r.git(r.bare, "config", "http.receivepack", "true")
	r.git(r.work, "config", "core.fileMode", "true")
	for _, folder := range []string{"a/b", "a/c"} {
		r.mkdir(folder)
	}
	r.commit("a/c/other.yaml", "other\n", "other")
	return r, r.commit("a/b/values.yaml", "tag: v1\n", "one")
}

func TestACommitIsPushed(t *testing.T) {
	for _, over := range []string{"file", "https"} {
		r, head := newPushable(t)
		o := git.Options{URL: r.bare, Refs: main, Committer: bot}
		if over == "https" {
			server := httptest.NewTLSServer(smartHTTP(t, r.bare, "s3cret"))
			defer server.Close()
			o.URL, o.Auth = server.URL+"/repo.git", given(git.Auth{CA: certificate(server), Password: "s3cret"})
		}
		repo := with(t, o)
		fetch(t, repo, head)
		commit, err := repo.Push(context.Background(), proposal(head, ""))
		if err != nil {
			t.Fatalf("%s: %v", over, err)
		}
		fetch(t, repo, commit)
		if got := r.git(r.bare, "log", "-1", "--format=%an <%ae> %P %s|%(trailers:key=Promoted-From)", "main"); got != "Tether <tether@example.com> "+head+" prod: promote web from dev|Promoted-From: dev@1" {
			t.Errorf("%s: %s", over, got)
		}
		if got := r.git(r.bare, "show", "--format=", "--name-status", "main"); got != "M\ta/b/values.yaml" {
			t.Errorf("%s: it changes %s", over, got)
		}
		if got := r.git(r.bare, "show", "main:a/b/values.yaml"); got != "tag: v2" {
			t.Errorf("%s: %q", over, got)
		}
		r.git(r.bare, "fsck", "--strict")
	}
}

// What somebody else pushed meanwhile is not lost, and nobody's branch is written over.
func TestAPushLosesNothing(t *testing.T) {
	r, head := newPushable(t)
	repo := with(t, git.Options{URL: r.bare, Refs: main, Committer: bot})
	fetch(t, repo, head)
	first, err := repo.Push(context.Background(), proposal(head, "tether/promote-prod-1"))
	if err != nil {
		t.Fatal(err)
	}
	if got := r.git(r.bare, "rev-parse", "main", "tether/promote-prod-1"); got != head+"\n"+first {
		t.Errorf("main and the branch are at %s", got)
	}
	if _, err := repo.Push(context.Background(), proposal(head, "tether/promote-prod-1")); !errors.Is(err, source.ErrProposed) {
		t.Errorf("the branch again: %v", err)
	}
	faster := r.commit("a/c/other.yaml", "faster\n", "faster")
	if _, err := repo.Push(context.Background(), proposal(head, "")); !errors.Is(err, source.ErrMoved) {
		t.Errorf("somebody was faster: %v", err)
	}
	if got := r.git(r.bare, "rev-parse", "main"); got != faster {
		t.Errorf("main is at %s", got)
	}
	missing := proposal(head, "")
	missing.Files = map[string][]byte{"a/b/none.yaml": nil}
	if _, err := repo.Push(context.Background(), missing); err == nil || !strings.Contains(err.Error(), "a/b/none.yaml is no file of the commit") {
		t.Errorf("a file that is not there: %v", err)
	}
	tag := proposal(head, "")
	tag.Ref = "tag:v*"
	if _, err := repo.Push(context.Background(), tag); err == nil || !strings.Contains(err.Error(), "let it follow a branch") {
		t.Errorf("to a tag: %v", err)
	}
	reader := with(t, git.Options{URL: r.bare, Refs: main})
	fetch(t, reader, faster)
	if _, err := reader.Push(context.Background(), proposal(faster, "")); err == nil {
		t.Error("a process that is to push nothing pushed")
	}
}

// Where heads have to be signed, nothing is pushed that would not be taken.
func TestAPushIsHeldToSignatures(t *testing.T) {
	r := newRemote(t)
	for _, folder := range []string{"a/b"} {
		r.mkdir(folder)
	}
	signer, private := newKey(t)
	r.commit("a/b/values.yaml", "tag: v1\n", "one")
	head := r.push("commit", r.sign(r.raw("commit", "HEAD"), bySSH(signer, "git")))
	trust := func() (git.Trust, error) {
		return git.Trust{SSH: []byte("bot@example.com " + string(xssh.MarshalAuthorizedKey(signer.PublicKey())))}, nil
	}
	stranger, strange := newKey(t)
	_ = stranger
	for name, test := range map[string]struct {
		key    []byte
		branch string
		why    string
	}{
		"unsigned":               {nil, "", "it is not signed"},
		"by a stranger":          {strange, "", "not among the trusted ones"},
		"unsigned, for a person": {nil, "tether/promote-1", ""},
		"signed":                 {private, "", ""},
	} {
		repo := with(t, git.Options{URL: r.bare, Refs: main, Trust: trust, Committer: &git.Committer{Name: "T", Email: "t@example.com", SSHKey: test.key}})
		heads(t, repo)
		commit, err := repo.Push(context.Background(), proposal(head, test.branch))
		if test.why != "" {
			if err == nil || !strings.Contains(err.Error(), test.why) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if test.branch == "" {
			if got := heads(t, repo)["main"]; got.SHA != commit || got.Untrusted != nil {
				t.Errorf("%s: the head is %s, %v", name, got.SHA, got.Untrusted)
			}
			r.git(r.bare, "update-ref", "refs/heads/main", head)
		}
	}
}
