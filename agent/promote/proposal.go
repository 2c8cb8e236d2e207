package promote

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/xetys/tether/agent/status"
	"github.com/xetys/tether/render/images"
)

// memory is what was promoted to an environment last.
type memory struct {
	// Releases are the digests of what was promoted, by the releases' names.
	Releases map[string]string `json:"releases"`
}

// remembered reads a memory; one that is damaged begins anew.
func remembered(text string) *memory {
	m := &memory{}
	if text == "" || json.Unmarshal([]byte(text), m) != nil || m.Releases == nil {
		return &memory{Releases: map[string]string{}}
	}
	return m
}

func (m *memory) text() string {
	raw, err := json.Marshal(m)
	if err != nil { // a map of texts can be written
		return ""
	}
	return string(raw)
}

// digestOf tells what a release runs from all else that it may run: its images.
func digestOf(r status.ReleaseStatus) string {
	all := slices.Sorted(slices.Values(r.Images))
	return fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(all, "\n"))))[:16]
}

// proposal is what one commit promotes.
type proposal struct {
	environment, from string
	releases          []status.ReleaseStatus // all that are settled by it
	changed           []status.ReleaseStatus // those of which something changes
	lines             []string
}

func (p *proposal) add(r status.ReleaseStatus, changes []*images.Change) {
	p.releases = append(p.releases, r)
	if len(changes) == 0 {
		return
	}
	p.changed = append(p.changed, r)
	for _, c := range changes {
		p.lines = append(p.lines, fmt.Sprintf("%s: %s %s -> %s", c.File, c.Key, cmp.Or(c.Key.Value, "(none)"), c.To))
	}
}

func (p *proposal) names() []string {
	var out []string
	for _, r := range p.changed {
		out = append(out, r.Name)
	}
	return out
}

// message is the commit's; it says where the images come from, as tether promote does.
func (p *proposal) message() string {
	var trailers []string
	for _, r := range p.changed {
		if t := fmt.Sprintf("Promoted-From: %s@%s", p.from, r.Commit); !slices.Contains(trailers, t) {
			trailers = append(trailers, t)
		}
	}
	return fmt.Sprintf("%s: promote %s from %s\n\n%s\n\n%s\n", p.environment, strings.Join(p.names(), ", "), p.from, strings.Join(p.lines, "\n"), strings.Join(trailers, "\n"))
}

// branch is the name of a branch for the proposal alone: another content has another one,
// so that nobody's branch is written over.
func (p *proposal) branch() string {
	var parts []string
	for _, r := range p.changed {
		parts = append(parts, r.Name+" "+digestOf(r))
	}
	return fmt.Sprintf("tether/promote-%s-%x", p.environment, sha256.Sum256([]byte(strings.Join(parts, "\n"))))[:len("tether/promote--")+len(p.environment)+12]
}
