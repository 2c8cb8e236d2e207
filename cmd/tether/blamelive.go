package main

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/xetys/tether/render/blame"
	"github.com/xetys/tether/render/manifest"
)

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
