package render

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/strvals"

	"github.com/xetys/tether/render/config"
	"github.com/xetys/tether/render/sops"
	"github.com/xetys/tether/render/yamldoc"
)

// inputs are what is read of a release before its values are merged.
type inputs struct {
	refs []referred
	keys *sops.Keys
	lack error // why there are no keys, if there are to be some
}

// referred is what a reference led to.
type referred struct {
	spec config.ValuesFromSpec
	data map[string][]byte // nil if it does not exist, or is not read
	err  error
}

// gather reads what a release refers to outside the repository.
func (r *Renderer) gather(ctx context.Context, spec config.ReleaseSpec) (*inputs, error) {
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
			return nil, &AwayError{Err: fmt.Errorf("release %s: read %s: %w", spec.Name, v.Reference, one.err)}
		}
		in.refs = append(in.refs, one)
	}
	if r.config.Keys != nil {
		keys, err := r.config.Keys(ctx)
		if err != nil && !answered(err) {
			return nil, &AwayError{Err: fmt.Errorf("release %s: read the keys for SOPS: %w", spec.Name, err)}
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
	var problems config.Problems
	p.values = map[string]any{}
	add := func(l layer, err error) error {
		var ps config.Problems
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
	return problems.OrNil()
}

func (r *Renderer) referred(p *Prepared, ref referred) (layer, error) {
	refuse := func(format string, args ...any) (layer, error) {
		return layer{}, config.Problems{{File: p.spec.File, Line: ref.spec.Line, Message: fmt.Sprintf("release %s: ", p.spec.Name) + fmt.Sprintf(format, args...)}}
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
		return layer{}, config.Problems{{File: name, Message: fmt.Sprintf(format, args...)}}
	}
	raw, err := config.ReadFile(files, name, config.MaxFile)
	if err != nil {
		return refuse("can't be read: %v", config.Cause(err))
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
		return layer{}, &AwayError{Err: fmt.Errorf("%s can't be decrypted yet: %w", name, err)}
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
