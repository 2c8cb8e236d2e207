package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"github.com/xetys/tether/render/images"
)

// gitWrite writes files of a checkout, and commits and pushes them, with the git program:
// it knows the user's name, signing keys, hooks and credentials.
type gitWrite struct {
	commit, push bool
	dir, branch  string
}

// maxPushes is how often a push is tried when others push at the same time.
const maxPushes = 5

// carryOut writes the changes. With commit they are a commit of their own, whatever else
// is changed or staged in the checkout; a file that has other changes is refused. Nothing
// is written when something is refused.
func (g *gitWrite) carryOut(ctx context.Context, progress io.Writer, changes []*images.Change, message string) error {
	var files []string
	for _, c := range changes {
		files = append(files, c.File)
	}
	if g.commit {
		out, err := g.git(ctx, append([]string{"status", "--porcelain", "--"}, files...)...)
		if err != nil {
			return err
		}
		if out != "" {
			return usageError{fmt.Errorf("there are changes that are not committed, commit or stash them first: %s", strings.Join(strings.Fields(out), " "))}
		}
	}
	tree, err := openCheckout(g.dir)
	if err != nil {
		return err
	}
	defer tree.close()
	for _, c := range changes {
		if err := tree.replace(c.File, c.After); err != nil {
			return err
		}
	}
	if !g.commit {
		return nil
	}
	if _, err := g.git(ctx, append([]string{"commit", "--quiet", "--message", message, "--only", "--"}, files...)...); err != nil {
		return fmt.Errorf("%w; the change is in the working tree", err)
	}
	head, err := g.git(ctx, "rev-parse", "HEAD")
	if err != nil {
		return err
	}
	fmt.Fprintf(progress, "committed %.7s\n", head)
	if !g.push {
		return nil
	}
	return g.pushed(ctx, progress)
}

// pushed pushes the checkout's branch. Where others were faster, the commit is rebased on
// theirs and pushed again.
func (g *gitWrite) pushed(ctx context.Context, progress io.Writer) error {
	branch, err := g.git(ctx, "symbolic-ref", "--quiet", "--short", "HEAD")
	if err != nil {
		branch = g.branch // a detached HEAD, as CI jobs have it
	}
	remote, err := g.git(ctx, "config", "--get", "branch."+branch+".remote")
	if err != nil {
		remote = "origin"
	}
	for try := 1; ; try++ {
		_, failed := g.git(ctx, "push", "--quiet", remote, "HEAD:refs/heads/"+branch)
		if failed == nil {
			head, err := g.git(ctx, "rev-parse", "HEAD")
			fmt.Fprintf(progress, "pushed %.7s to %s of %s\n", head, branch, remote)
			return err
		}
		if try == maxPushes || ctx.Err() != nil {
			return fmt.Errorf("%w; the commit is in the checkout", failed)
		}
		if _, err := g.git(ctx, "fetch", "--quiet", remote, branch); err != nil {
			return fmt.Errorf("%w; the commit is in the checkout", failed)
		}
		if behind, err := g.git(ctx, "rev-list", "--count", "HEAD..FETCH_HEAD"); err != nil || behind == "0" {
			return fmt.Errorf("%w; the commit is in the checkout", failed) // it was refused for another reason
		}
		if _, err := g.git(ctx, "rebase", "--quiet", "--autostash", "FETCH_HEAD"); err != nil {
			_, undo := g.git(context.WithoutCancel(ctx), "rebase", "--abort")
			return errors.Join(fmt.Errorf("%w; somebody changed the same lines: the commit is in the checkout", err), undo)
		}
	}
}

// git runs the git program in the checkout and returns what it prints.
func (g *gitWrite) git(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = g.dir
	var out, told bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &told
	if err := cmd.Run(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return "", errors.New("the git program is not there: use --write, and commit by other means")
		}
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.Join(strings.Fields(told.String()+" "+out.String()), " "))
	}
	return strings.TrimSpace(out.String()), nil
}

// withTrailers is a commit's message that ends with trailers.
func withTrailers(message string, trailers []string) string {
	return strings.TrimRight(message, "\n") + "\n\n" + strings.Join(trailers, "\n") + "\n"
}
