package render

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"helm.sh/helm/v3/pkg/strvals"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/xetys/tether/render/sops"
	"github.com/xetys/tether/render/yamldoc"
)

// ValuesSpec is one layer of values: a file of the repository, or what stands in
// environment.yaml itself.
type ValuesSpec struct {
	// File is from the repository's root.
	File string
	// Inline is what there is without a file.
	Inline map[string]any

	node *yaml.Node // where it stands
}

// ValuesFromSpec is a layer of values that lies in the cluster, in the release's
// namespace.
type ValuesFromSpec struct {
	Reference
	// Key is what holds the values.
	Key string
	// TargetPath is where the key's text is put as it is; else it holds a map.
	TargetPath string
	// Optional has it left out if it does not exist.
	Optional bool

	line int
}

type valuesFromDocument struct {
	Kind       string `yaml:"kind"`
	Name       string `yaml:"name"`
	Key        string `yaml:"key"`
	TargetPath string `yaml:"targetPath"`
	Optional   bool   `yaml:"optional"`
}

// values reads what stands under values: a list of files and maps, or one map.
func (l *checker) values(node yaml.Node) []ValuesSpec {
	switch node.Kind {
	case 0:
		return nil
	case yaml.MappingNode:
		return l.inline(&node)
	case yaml.SequenceNode:
	default:
		if node.Tag == "!!null" {
			return nil
		}
		l.refuse(node.Line, "values of a release are a list of files and maps, or one map of values")
		return nil
	}
	if len(node.Content) > maxLayers {
		l.refuse(node.Line, "values of a release list %d files and maps, more than %d: merge some of them", len(node.Content), maxLayers)
		return nil
	}
	var out []ValuesSpec
	for _, e := range node.Content {
		switch {
		case e.Kind == yaml.MappingNode:
			out = append(out, l.inline(e)...)
		case e.Kind == yaml.ScalarNode && e.Tag == "!!str" && e.Value != "":
			if p, ok := l.within(e.Line, "values file", e.Value, path.Dir(l.file)); ok {
				out = append(out, ValuesSpec{File: p})
			}
		default:
			l.refuse(e.Line, "an element of values is neither the name of a file nor a map of values")
		}
	}
	return out
}

// inline gives values that stand in environment.yaml the types that they would have
// in a file.
func (l *checker) inline(node *yaml.Node) []ValuesSpec {
	values := map[string]any{}
	raw, err := yaml.Marshal(node)
	if err == nil {
		err = sigsyaml.Unmarshal(raw, &values)
	}
	if err != nil {
		l.refuse(node.Line, "inline values can't be read by themselves: %v", err)
		return nil
	}
	if sops.Encrypted(values) {
		l.refuse(node.Line, "inline values are encrypted with SOPS: put them into a file")
		return nil
	}
	return []ValuesSpec{{Inline: values, node: node}}
}

func (l *checker) valuesFrom(release int, namespace string, docs []valuesFromDocument) []ValuesFromSpec {
	var out []ValuesFromSpec
	if len(docs) > maxLayers {
		l.refuse(l.line("spec", "releases", release, "valuesFrom"), "valuesFrom of a release has %d references, more than %d: merge some of them", len(docs), maxLayers)
		return nil
	}
	for i, d := range docs {
		at := func(field string) int { return l.line("spec", "releases", release, "valuesFrom", i, field) }
		v := ValuesFromSpec{Reference: Reference{Kind: d.Kind, Namespace: namespace, Name: d.Name},
			Key: d.Key, TargetPath: d.TargetPath, Optional: d.Optional, line: at("name")}
		if v.Key == "" {
			v.Key = "values.yaml"
		}
		if d.Kind != "ConfigMap" && d.Kind != "Secret" {
			l.refuse(at("kind"), "kind %q of valuesFrom: use ConfigMap or Secret", d.Kind)
		}
		if !objectName.MatchString(d.Name) {
			l.refuse(at("name"), "name %q of valuesFrom: name a ConfigMap or a Secret of the release's namespace", d.Name)
		}
		if d.TargetPath != "" {
			if err := strvals.ParseLiteralInto(d.TargetPath+"=", map[string]any{}); err != nil || strings.Contains(d.TargetPath, "=") {
				l.refuse(at("targetPath"), "targetPath %q of valuesFrom: use a path like database.password, with \\. for a dot in a key", d.TargetPath)
			}
		}
		out = append(out, v)
	}
	return out
}

// layer is one layer of a release's values.
type layer struct {
	values map[string]any
	secret bool // it must not be shown
}

// inputs are what is read of a release before its values are merged.
type inputs struct {
	refs []referred
	keys *sops.Keys
	lack error // why there are no keys, if there are to be some
}

// referred is what a reference led to.
type referred struct {
	spec ValuesFromSpec
	data map[string][]byte // nil if it does not exist, or is not read
	err  error
}

// gather reads what a release refers to outside the repository.
func (r *Renderer) gather(ctx context.Context, spec ReleaseSpec) (*inputs, error) {
	in := &inputs{keys: &sops.Keys{}}
	for _, v := range spec.ValuesFrom {
		one := referred{spec: v}
		switch {
		case r.config.References != nil:
			if one.data, one.err = r.config.References.Read(ctx, v.Reference); one.err == nil && one.data == nil {
				one.data = map[string][]byte{}
			}
		case !r.config.Lenient:
			one.err = errors.New("there is no cluster to read it from: give --kubeconfig")
		}
		if one.err != nil && !answered(one.err) && r.config.References != nil {
			return nil, &AwayError{fmt.Errorf("release %s: read %s: %w", spec.Name, v.Reference, one.err)}
		}
		in.refs = append(in.refs, one)
	}
	if r.config.Keys != nil {
		keys, err := r.config.Keys(ctx)
		if err != nil && !answered(err) {
			return nil, &AwayError{fmt.Errorf("release %s: read the keys for SOPS: %w", spec.Name, err)}
		}
		if in.lack = err; keys != nil {
			in.keys = keys
		}
	}
	return in, nil
}

// answered reports whether an error is the answer: it stays until somebody changes
// something, which is noticed.
func answered(err error) bool {
	var lasting interface{ Lasting() bool }
	return errors.Is(err, fs.ErrNotExist) || errors.As(err, &lasting) && lasting.Lasting()
}

// key tells these inputs from others.
func (in *inputs) key() string {
	h := sha256.New()
	for _, r := range in.refs {
		fmt.Fprintf(h, "%t %v\n", r.data != nil, r.err)
		for _, k := range slices.Sorted(maps.Keys(r.data)) {
			fmt.Fprintf(h, "%q %d %s\n", k, len(r.data[k]), r.data[k])
		}
	}
	fmt.Fprintf(h, "%s %v", in.keys.ID(), in.lack)
	return hex.EncodeToString(h.Sum(nil))
}

// merge reads a release's values and merges them: what lies in the cluster first,
// then what environment.yaml lists, later ones winning.
func (r *Renderer) merge(ctx context.Context, files fs.FS, p *Prepared, in *inputs) error {
	var problems Problems
	p.values = map[string]any{}
	add := func(l layer, err error) error {
		var ps Problems
		switch {
		case errors.As(err, &ps):
			problems = append(problems, ps...)
		case err != nil:
			return err
		default:
			p.values = MergeValues(p.values, l.values)
			p.hiding.layer(l)
		}
		return nil
	}
	for _, ref := range in.refs {
		l, err := r.referred(p, ref)
		if err := add(l, err); err != nil {
			return err
		}
	}
	for _, v := range p.spec.Values {
		l := layer{values: v.Inline}
		var err error
		if v.File != "" {
			l, err = r.file(ctx, files, p, v.File, in)
		}
		if err := add(l, err); err != nil {
			return err
		}
	}
	return problems.orNil()
}

func (r *Renderer) referred(p *Prepared, ref referred) (layer, error) {
	refuse := func(format string, args ...any) (layer, error) {
		return layer{}, Problems{{File: p.spec.file, Line: ref.spec.line, Message: fmt.Sprintf("release %s: ", p.spec.Name) + fmt.Sprintf(format, args...)}}
	}
	v := ref.spec
	switch {
	case ref.err == nil && ref.data == nil:
		p.Unread = append(p.Unread, fmt.Sprintf("%s of release %s was not read: its values are left out", v.Reference, p.spec.Name))
		return layer{}, nil
	case errors.Is(ref.err, fs.ErrNotExist) && v.Optional:
		return layer{}, nil
	case errors.Is(ref.err, fs.ErrNotExist):
		return refuse("%s does not exist: create it, or set optional: true", v.Reference)
	case ref.err != nil:
		return refuse("%s can't be read: %v", v.Reference, ref.err)
	}
	raw, ok := ref.data[v.Key]
	switch {
	case !ok && v.Optional:
		return layer{}, nil
	case !ok:
		return refuse("%s has no key %q: add it, or set optional: true", v.Reference, v.Key)
	}
	values := map[string]any{}
	if v.TargetPath != "" {
		if err := strvals.ParseLiteralInto(v.TargetPath+"="+string(raw), values); err != nil {
			return refuse("the targetPath %s can't be set", v.TargetPath)
		}
	} else if err := yamldoc.File.Unmarshal(raw, &values); errors.As(err, new(*yamldoc.LimitError)) {
		return refuse("key %s of %s: %v", v.Key, v.Reference, err)
	} else if err != nil {
		return refuse("key %s of %s is not a map of values; with targetPath a single value can be set", v.Key, v.Reference)
	}
	return layer{values, v.Kind == "Secret"}, nil
}

// file reads a values file, encrypted or not.
func (r *Renderer) file(ctx context.Context, files fs.FS, p *Prepared, name string, in *inputs) (layer, error) {
	refuse := func(format string, args ...any) (layer, error) {
		return layer{}, Problems{{File: name, Message: fmt.Sprintf(format, args...)}}
	}
	raw, err := readBounded(files, name, maxYAML)
	if err != nil {
		return refuse("can't be read: %v", cause(err))
	}
	p.read += len(raw)
	values := map[string]any{}
	if err := yamldoc.File.Unmarshal(raw, &values); errors.As(err, new(*yamldoc.LimitError)) {
		return refuse("%v", err)
	} else if err != nil {
		return refuse("is not a map of values: %v", err)
	}
	if !sops.Encrypted(values) {
		if isSOPSName(name) {
			return refuse("is named .sops%s and not encrypted: encrypt it with sops -e -i, or rename it", path.Ext(name))
		}
		return layer{values: values}, nil
	}
	values, err = in.keys.Decrypt(ctx, raw)
	var away *sops.UnavailableError
	switch {
	case errors.As(err, &away) && r.config.Lenient:
		p.leaveOut(name, raw, "can't be decrypted here: "+away.Error())
		return layer{}, nil
	case errors.As(err, &away), ctx.Err() != nil:
		return layer{}, &AwayError{fmt.Errorf("%s can't be decrypted yet: %w", name, err)}
	case errors.Is(err, sops.ErrKeys) && r.config.Lenient:
		p.leaveOut(name, raw, "its key is not here")
		return layer{}, nil
	case errors.Is(err, sops.ErrKeys) && in.lack != nil:
		return refuse("can't be decrypted: %v", in.lack)
	case err != nil:
		return refuse("can't be decrypted: %v", err)
	}
	return layer{values, true}, nil
}

// leaveOut goes on without what a file holds. Its text counts all the same, so that
// a change of it is one.
func (p *Prepared) leaveOut(name string, raw []byte, why string) {
	sum := sha256.Sum256(raw)
	p.blind = append(p.blind, name+"@"+hex.EncodeToString(sum[:]))
	p.Unread = append(p.Unread, fmt.Sprintf("%s is encrypted and %s: its values are left out", name, why))
}

func isSOPSName(name string) bool {
	for _, ext := range []string{".sops.yaml", ".sops.yml", ".sops.json"} {
		if strings.HasSuffix(name, ext) {
			return true
		}
	}
	return false
}

// leaves returns the texts and numbers that values hold.
func leaves(v any) []string {
	switch v := v.(type) {
	case map[string]any:
		var out []string
		for _, e := range v {
			out = append(out, leaves(e)...)
		}
		return out
	case []any:
		var out []string
		for _, e := range v {
			out = append(out, leaves(e)...)
		}
		return out
	case nil, bool:
		return nil
	case float64: // 12345678 is written in two ways
		return []string{fmt.Sprint(v), strconv.FormatFloat(v, 'f', -1, 64)}
	default:
		return []string{strings.TrimSpace(fmt.Sprint(v))}
	}
}

// inlineKey names what stands in environment.yaml of a release.
func (s *ReleaseSpec) inlineKey() (string, error) {
	raw, err := json.Marshal([]any{s.Values, s.ValuesFrom, s.Patches})
	return string(raw), err
}

// plain returns the same as values: all of it lies open.
func (s *ReleaseSpec) plain() (out any, err error) {
	text, err := s.inlineKey()
	if err == nil {
		err = json.Unmarshal([]byte(text), &out)
	}
	return out, err
}
