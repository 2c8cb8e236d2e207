package config

import (
	"fmt"
	"path"
	"regexp"
	"slices"

	"github.com/xetys/tether/render/manifest"
)

// Rules are what an environment holds its releases to when they are rendered.
type Rules struct {
	// Versioning is about the tags of images; nil for none.
	Versioning *Versioning
	// EncryptedOnly refuses Secrets with values that the repository shows.
	EncryptedOnly bool
}

// Versioning says which image tags may run.
type Versioning struct {
	// Pattern is what a tag has to match as a whole; nil for any tag.
	Pattern *regexp.Regexp
	// Images are patterns of the images that Pattern is about, without their tags; none
	// for all images.
	Images []string
	// ForbidTags are tags that no image may have.
	ForbidTags []string

	text string // of Pattern, as it was written
}

type versioningDocument struct {
	Pattern    string   `yaml:"pattern"`
	Images     []string `yaml:"images"`
	ForbidTags []string `yaml:"forbidTags"`
}

// maxPattern is how long a pattern may be, in bytes.
const maxPattern = 256

// untagged is the tag of an image that has none, and no digest either.
const untagged = "latest"

// rules reads what an environment holds its releases to.
func (l *checker) rules(secrets string, versioning *versioningDocument) *Rules {
	if secrets != "" && secrets != "any" && secrets != "encrypted-only" {
		l.refuse(l.line("spec", "secrets"), "spec.secrets is %q: use any or encrypted-only", secrets)
	}
	return &Rules{Versioning: l.versioning(versioning), EncryptedOnly: secrets == "encrypted-only"}
}

func (l *checker) versioning(d *versioningDocument) *Versioning {
	if d == nil {
		return nil
	}
	at := func(steps ...any) int { return l.line(append([]any{"spec", "versioning"}, steps...)...) }
	v := &Versioning{Images: d.Images, ForbidTags: d.ForbidTags, text: d.Pattern}
	if d.Pattern == "" && len(d.ForbidTags) == 0 {
		l.refuse(at(), "spec.versioning says nothing: give it a pattern, forbidTags, or both")
	}
	if len(d.Images) > 0 && d.Pattern == "" {
		l.refuse(at("images"), "images of spec.versioning say what its pattern is about, and there is none: add a pattern")
	}
	if d.Pattern != "" {
		var err error
		switch v.Pattern, err = l.pattern(`^(?:` + d.Pattern + `)$`); {
		case err != nil:
			l.refuse(at("pattern"), "pattern %q of spec.versioning is no regular expression: %v", d.Pattern, err)
		case len(d.Pattern) > maxPattern:
			l.refuse(at("pattern"), "pattern of spec.versioning has more than %d characters: use a shorter one", maxPattern)
		}
	}
	for i, p := range d.Images {
		if _, err := path.Match(p, ""); err != nil || p == "" {
			l.refuse(at("images", i), "%q of images of spec.versioning: use an image without its tag, or a pattern like ghcr.io/you/*", p)
		}
	}
	for i, t := range d.ForbidTags {
		if t == "" {
			l.refuse(at("forbidTags", i), "a tag of forbidTags of spec.versioning is empty: name one; an image without a tag has the tag %s", untagged)
		}
	}
	return v
}

// Refuses says why an image may not run; empty if it may.
func (v *Versioning) Refuses(image string) string {
	_, tag, digest := manifest.SplitImage(image)
	if tag == "" && digest == "" {
		tag = untagged
	}
	switch {
	case slices.Contains(v.ForbidTags, tag):
		return fmt.Sprintf("its tag %s is one that versioning.forbidTags of environment.yaml forbids: name a version", tag)
	case !v.Concerns(image) || v.Pattern.MatchString(tag):
		return ""
	case tag == "":
		return fmt.Sprintf("it has no tag, and versioning.pattern of environment.yaml asks for one like %s", v.text)
	}
	return fmt.Sprintf("its tag %s is not as versioning.pattern of environment.yaml asks for: %s", tag, v.text)
}

// Concerns reports whether the pattern is about an image.
func (v *Versioning) Concerns(image string) bool {
	name, _, _ := manifest.SplitImage(image)
	return v.Pattern != nil && (len(v.Images) == 0 || slices.ContainsFunc(v.Images, func(p string) bool {
		ok, err := path.Match(p, name)
		return ok && err == nil // patterns that are none were refused
	}))
}
