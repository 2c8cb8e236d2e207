package git

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/Masterminds/semver/v3"
	"github.com/go-git/go-git/v5/plumbing"

	"github.com/xetys/tether/source"
	"github.com/xetys/tether/source/printable"
)

// refspec is what is followed: a branch, by its name, or with tag:PATTERN the tag
// with the highest version of all that match a glob.
type refspec source.Ref

const tagPrefix = "tag:"

// ParseRef reads a ref as people write it: a branch, or tag: and a glob.
func ParseRef(text string) (source.Ref, error) {
	pattern, isTag := strings.CutPrefix(text, tagPrefix)
	if _, err := path.Match(pattern, ""); isTag && (pattern == "" || err != nil) {
		return "", fmt.Errorf("%q is no pattern of tags: use tag: and a glob, such as tag:v1.*", text)
	}
	if !isTag && (text == "" || plumbing.NewBranchReferenceName(text).Validate() != nil) {
		return "", fmt.Errorf("%q is neither a branch's name nor tag:PATTERN", text)
	}
	return source.Ref(text), nil
}

// pattern returns the glob of a ref that stands for tags.
func (r refspec) pattern() (string, bool) { return strings.CutPrefix(string(r), tagPrefix) }

// matches reports whether a full ref name, refs/heads/… or refs/tags/…, is one
// that this one may stand for. A tag whose name is no name in git, can't be shown or
// is too long to be written down stands for nothing.
func (r refspec) matches(name string) bool {
	pattern, isTag := r.pattern()
	if !isTag {
		return name == "refs/heads/"+string(r)
	}
	tag, ok := strings.CutPrefix(name, "refs/tags/")
	return ok && len(name) <= maxName && versionOf(pattern, tag) != nil && printable.Is(name) && plumbing.ReferenceName(name).Validate() == nil
}

// String returns the ref in words.
func (r refspec) String() string {
	if pattern, isTag := r.pattern(); isTag {
		return "tags " + pattern
	}
	return "branch " + string(r)
}

// missing says that a ref is not there.
func (r refspec) missing() string {
	if _, isTag := r.pattern(); isTag {
		return "no tag with a version matches"
	}
	return "the branch does not exist"
}

// choose returns which of the names the ref stands for; "" if none.
func (r refspec) choose(names func(yield func(string) bool)) string {
	pattern, isTag := r.pattern()
	best, highest := "", (*semver.Version)(nil)
	for name := range names {
		if !r.matches(name) {
			continue
		}
		if !isTag {
			return name
		}
		v := versionOf(pattern, strings.TrimPrefix(name, "refs/tags/"))
		if highest == nil || v.GreaterThan(highest) || v.Equal(highest) && name > best {
			best, highest = name, v
		}
	}
	return best
}

var versionInTag = regexp.MustCompile(`(?:^|[^0-9A-Za-z])v?([0-9]+(?:\.[0-9]+){0,2}(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?)$`)

// versionOf returns the version at a tag's end, if the tag matches a glob; else
// nil. A pre-release counts only if the glob asks for it: by a hyphen after its
// first wildcard, or by having none.
func versionOf(glob, tag string) *semver.Version {
	if ok, _ := path.Match(glob, tag); !ok { // the glob was checked when it was read
		return nil
	}
	m := versionInTag.FindStringSubmatch(tag)
	if m == nil {
		return nil
	}
	v, err := semver.NewVersion(m[1])
	if err != nil {
		return nil
	}
	if i := strings.IndexAny(glob, `*?[`); v.Prerelease() != "" && i >= 0 && !strings.Contains(glob[i:], "-") {
		return nil
	}
	return v
}
