package render

import (
	"fmt"
	"slices"
	"strings"

	"github.com/xetys/tether/render/config"
	"github.com/xetys/tether/render/manifest"
)

// checkImages holds a release's images, those of hooks too, to what its environment says
// of versions.
func (p *Prepared) checkImages(rel *manifest.Release) config.Problems {
	if p.spec.Rules == nil || p.spec.Rules.Versioning == nil {
		return nil
	}
	objects := slices.Clone(rel.Objects)
	for _, h := range rel.Hooks {
		objects = append(objects, h.Object)
	}
	var out config.Problems
	for _, image := range manifest.Images(objects) {
		why := p.spec.Rules.Versioning.Refuses(image)
		if why == "" {
			continue
		}
		at := p.placeOfImage(image)
		out = append(out, config.Problem{File: at.file, Line: at.line, Message: p.Mask(fmt.Sprintf("release %s: image %s: %s", p.spec.Name, image, why))})
	}
	return out
}

// placeOfImage is where the values decide an image: a key for tags or images that holds
// its tag or all of it, or else any that does.
func (p *Prepared) placeOfImage(image string) place {
	name, tag, _ := manifest.SplitImage(image)
	holds := func(_, text string) bool { return text == image || tag != "" && text == tag || text == name }
	named := func(key, text string) bool {
		key = strings.ToLower(key)
		return holds(key, text) && (strings.HasSuffix(key, "tag") || strings.HasSuffix(key, "image") || strings.HasSuffix(key, "version"))
	}
	for _, is := range []func(key, text string) bool{named, holds} {
		if at, found := p.places().find(is); found {
			return at
		}
	}
	return p.places().listed()
}
