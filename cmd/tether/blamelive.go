package main

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/agent/ledger"
	"github.com/xetys/tether/render/blame"
	"github.com/xetys/tether/render/manifest"
)

// fates are a release's commits, with what became of them. A commit of a merged branch
// went live with the merge.
func fates(rel *blame.Release, l *ledger.Ledger) []becameOf {
	merges := map[string]string{}
	for _, o := range rel.Objects {
		for _, field := range o.Fields {
			if field.Merge != "" {
				merges[field.Commit] = field.Merge
			}
		}
	}
	out := []becameOf{}
	for _, told := range rel.Commits {
		one := becameOf{CommitInfo: told}
		of := told.Commit
		if merge, ok := merges[of]; ok {
			of = merge
		}
		if e := wentLive(l, of); e != nil {
			one.Verdict = e.Verdict
			if e.Commit.Commit != told.Commit {
				one.By = e.Commit.Commit
			}
			if e.Verdict.Live() && e.Finished != nil {
				one.Live = e.Finished
			}
		}
		out = append(out, one)
	}
	return out
}

// compare adds what the cluster has of the objects that were asked for.
func (f *blameFlags) compare(ctx context.Context, b *blame.Blamer, head *blame.Commit, out *blamed) error {
	c, err := f.cluster(out.Environment)
	if err != nil {
		return err
	}
	defer c.Close()
	read := func(o manifest.Object) (*unstructured.Unstructured, error) {
		return c.Inspector.Read(ctx, o.Unstructured)
	}
	for _, rel := range out.Releases {
		var objects []string
		for _, o := range rel.Objects {
			objects = append(objects, o.Object)
		}
		living, err := b.Live(ctx, head, out.Environment, rel.Name, objects, read)
		if err != nil {
			return fmt.Errorf("read what is live: %w", err)
		}
		out.Live = append(out.Live, living...)
	}
	return nil
}
