package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// repository is a bare repository and a checkout of it, driven by git itself.
type repository struct{ bare, work string }

func (d *demo) makeRepository(ctx context.Context) error {
	r := &repository{bare: filepath.Join(d.Dir, "repo.git"), work: filepath.Join(d.Dir, "work")}
	for _, folder := range []string{"charts", "environments"} {
		if err := os.CopyFS(filepath.Join(r.work, folder), os.DirFS(filepath.Join(d.Source, folder))); err != nil {
			return fmt.Errorf("copy %s: %w; run the demo in the project's folder, or give --source", folder, err)
		}
	}
	if err := withoutChecks(filepath.Join(r.work, "environments", environment, "environment.yaml")); err != nil {
		return err
	}
	if err := r.init(ctx); err != nil {
		return err
	}
	d.repo = r
	if _, err := r.commit(ctx, "Xuan Gong's charts and environments"); err != nil {
		return err
	}
	return run(ctx, r.work, "git", "branch", "--quiet", "--set-upstream-to=origin/main")
}

// withoutChecks takes what verifies releases out of an environment: pods answer nothing
// here, and the tenant's names are not to be asked.
func withoutChecks(file string) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var out strings.Builder
	within := -1 // the indentation of the field that is taken out
	for line := range strings.Lines(string(raw)) {
		text := strings.TrimLeft(line, " ")
		in := len(line) - len(text)
		if within >= 0 && (in > within || strings.TrimSpace(text) == "") {
			continue
		}
		within = -1
		if strings.HasPrefix(text, "verify:") {
			within = in
			continue
		}
		out.WriteString(line)
	}
	return os.WriteFile(file, []byte(out.String()), 0o600)
}

var repositoryLine = regexp.MustCompile(`(?m)^image:\n`)

// setRepository has a release's image come from elsewhere.
func (r *repository) setRepository(release, name string) error {
	path := filepath.Join(r.work, "environments", environment, release+".yaml")
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !repositoryLine.Match(raw) {
		return errors.New(path + " has no image")
	}
	text := repositoryLine.ReplaceAllString(string(raw), "image:\n  repository: "+name+"\n")
	return os.WriteFile(path, []byte(text), 0o600)
}

// init makes the bare repository, and of the folder work a checkout of it.
func (r *repository) init(ctx context.Context) error {
	if err := run(ctx, r.work, "git", "init", "--quiet", "--bare", "--initial-branch=main", r.bare); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"init", "--quiet", "--initial-branch=main"},
		{"config", "user.name", "Xuan Gong"},
		{"config", "user.email", "xuan@example.com"},
		{"config", "commit.gpgsign", "false"},
		{"remote", "add", "origin", r.bare},
	} {
		if err := run(ctx, r.work, "git", args...); err != nil {
			return err
		}
	}
	return nil
}

// commit commits all changes, pushes them, and returns the commit.
func (r *repository) commit(ctx context.Context, subject string) (string, error) {
	for _, args := range [][]string{
		{"add", "--all"},
		{"commit", "--quiet", "--message", subject},
	} {
		if err := run(ctx, r.work, "git", args...); err != nil {
			return "", err
		}
	}
	return r.push(ctx)
}

func (r *repository) push(ctx context.Context) (string, error) {
	if err := run(ctx, r.work, "git", "push", "--quiet", "origin", "main"); err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, "git", "-C", r.work, "rev-parse", "HEAD").Output()
	return strings.TrimSpace(string(out)), err
}

var tagLine = regexp.MustCompile(`(?m)^(\s+tag:\s*)"?([^"\s]+)"?`)

// setTag writes an image tag into a release's values and returns the former one.
func (r *repository) setTag(release, tag string) (string, error) {
	path := filepath.Join(r.work, "environments", environment, release+".yaml")
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	m := tagLine.FindSubmatchIndex(raw)
	if m == nil {
		return "", errors.New(path + " has no line with a tag")
	}
	old := string(raw[m[4]:m[5]])
	text := string(raw[:m[3]]) + tag + string(raw[m[1]:])
	return old, os.WriteFile(path, []byte(text), 0o600)
}

func run(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}
