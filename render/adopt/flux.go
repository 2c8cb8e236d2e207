package adopt

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// FluxTarget is the release that a HelmRelease deploys.
func FluxTarget(hr *unstructured.Unstructured) (namespace, name string) {
	namespace, name = text(hr, "spec", "targetNamespace"), text(hr, "spec", "releaseName")
	if name == "" && namespace != "" {
		name = namespace + "-" + hr.GetName()
	}
	return cmp.Or(namespace, hr.GetNamespace()), cmp.Or(name, hr.GetName())
}

// helmRelease reads a release that Flux deploys.
func (a *adoption) helmRelease(hr *unstructured.Unstructured) {
	namespace, name := FluxTarget(hr)
	from := fmt.Sprintf("HelmRelease %s/%s", hr.GetNamespace(), hr.GetName())
	if namespace != a.found.Namespace || !a.take(name, from) {
		return
	}
	rec, recorded := a.found.Recorded[name]
	if !recorded {
		a.refuse("release %s: %s has left no Helm record in namespace %s: it is not deployed, or keeps its records elsewhere (spec.storageNamespace)", name, from, namespace)
		return
	}
	r := &Release{Name: name, Namespace: namespace, From: from}
	var problems []string
	for _, err := range []error{a.fluxChart(r, hr, rec), fluxValues(r, hr), fluxSettings(r, hr)} {
		if err != nil {
			problems = append(problems, err.Error())
		}
	}
	for _, p := range problems {
		a.refuse("release %s: %s: %s", name, from, p)
	}
	if len(problems) > 0 {
		return
	}
	r.From += fmt.Sprintf(" (chart %s %s runs)", rec.Chart, rec.Version)
	r.HandOver = []string{
		fmt.Sprintf(`kubectl patch helmrelease %s --namespace %s --type merge --patch '{"spec":{"suspend":true}}'`, hr.GetName(), hr.GetNamespace()),
		fmt.Sprintf("kubectl delete helmrelease %s --namespace %s # once it is suspended: else Flux uninstalls the release", hr.GetName(), hr.GetNamespace()),
	}
	a.addRelease(r, rec)
}

// fluxChart finds out where a HelmRelease's chart lies.
func (a *adoption) fluxChart(r *Release, hr *unstructured.Unstructured, rec Recorded) error {
	if place := a.want.Charts[r.Name]; place != "" {
		var err error
		r.Chart, err = a.placed(place, rec.Version)
		return err
	}
	chart := text(hr, "spec", "chart", "spec", "chart")
	ref := mapAt(hr.Object, "spec", "chart", "spec", "sourceRef")
	files, _, _ := unstructured.NestedStringSlice(hr.Object, "spec", "chart", "spec", "valuesFiles")
	if direct := mapAt(hr.Object, "spec", "chartRef"); len(direct) > 0 {
		ref = direct
	}
	kind, name := fmt.Sprint(ref["kind"]), fmt.Sprint(ref["name"])
	namespace, _ := ref["namespace"].(string)
	source, err := a.found.Object(kind, cmp.Or(namespace, hr.GetNamespace()), name)
	if err != nil {
		return err
	}
	if kind == "HelmChart" {
		chart, ref = text(source, "spec", "chart"), mapAt(source.Object, "spec", "sourceRef")
		files, _, _ = unstructured.NestedStringSlice(source.Object, "spec", "valuesFiles")
		kind = fmt.Sprint(ref["kind"])
		if source, err = a.found.Object(kind, source.GetNamespace(), fmt.Sprint(ref["name"])); err != nil {
			return err
		}
	}
	return a.fromSource(r, source, kind, chart, rec.Version, files)
}

// fromSource is a chart of one of Flux's sources.
func (a *adoption) fromSource(r *Release, source *unstructured.Unstructured, kind, chart, version string, files []string) error {
	address := strings.TrimSuffix(text(source, "spec", "url"), "/")
	at := fmt.Sprintf("%s %s/%s", kind, source.GetNamespace(), source.GetName())
	switch kind {
	case "HelmRepository", "OCIRepository":
		if len(files) > 0 {
			return fmt.Errorf("it takes values files of its chart (%s), which is not in the repository: copy them to environments and list them in values", strings.Join(files, ", "))
		}
		if kind == "HelmRepository" {
			address += "/" + chart
		}
		if !strings.HasPrefix(address, "https://") && !strings.HasPrefix(address, "oci://") {
			return fmt.Errorf("%s has the address %s: charts come by https or oci: name a place with --chart %s=…", at, bare(address), r.Name)
		}
		r.Chart = Chart{Location: address, Version: version}
		r.login(source, address, at)
		return nil
	case "GitRepository":
		dir := path.Clean(strings.TrimPrefix(chart, "./"))
		if a.versionOf(dir) == "" {
			return fmt.Errorf("its chart lies in folder %s of %s (%s), and this repository has none there: copy it, or name its place with --chart %s=FOLDER", dir, at, bare(address), r.Name)
		}
		r.Chart = Chart{Location: dir}
		for _, file := range files {
			r.Files = append(r.Files, path.Join(dir, path.Clean("/"+file)))
		}
		return nil
	}
	return fmt.Errorf("its chart comes from %s, which can't be followed: name its place with --chart %s=…", at, r.Name)
}

// bare is an address without what may be secret in it.
func bare(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "one that can't be read"
	}
	u.User, u.RawQuery = nil, ""
	return u.String()
}

// login carries over the Secret that a source logs in with.
func (r *Release) login(source *unstructured.Unstructured, address, at string) {
	secret := text(source, "spec", "secretRef", "name")
	u, err := url.Parse(address)
	if secret == "" || err != nil {
		return
	}
	r.Settings.Logins = map[string]string{u.Host: secret}
	if source.GetNamespace() != r.Namespace {
		r.Notes = append(r.Notes, fmt.Sprintf("%s logs in with Secret %s of namespace %s: copy it to namespace %s", at, secret, source.GetNamespace(), r.Namespace))
	}
}

// fluxValues carries over a HelmRelease's values, in Flux's order: what valuesFrom names
// first, and what stands in the HelmRelease over it.
func fluxValues(r *Release, hr *unstructured.Unstructured) error {
	r.Values = mapAt(hr.Object, "spec", "values")
	for i, one := range listAt(hr.Object, "spec", "valuesFrom") {
		v := ValuesFrom{Kind: str(one["kind"]), Name: str(one["name"]), Key: str(one["valuesKey"]), TargetPath: str(one["targetPath"])}
		v.Optional, _ = one["optional"].(bool)
		if v.Kind != "ConfigMap" && v.Kind != "Secret" || v.Name == "" {
			return fmt.Errorf("spec.valuesFrom[%d] names no ConfigMap or Secret", i)
		}
		if hr.GetNamespace() != r.Namespace {
			r.Notes = append(r.Notes, fmt.Sprintf("%s %s is read in namespace %s: copy it there from %s", v.Kind, v.Name, r.Namespace, hr.GetNamespace()))
		}
		if v.TargetPath != "" {
			r.Notes = append(r.Notes, fmt.Sprintf("what %s %s puts at %s is a text, where Flux made numbers and truth values of it", v.Kind, v.Name, v.TargetPath))
		}
		r.ValuesFrom = append(r.ValuesFrom, v)
	}
	return nil
}

// fluxSettings carries over what else a HelmRelease says.
func fluxSettings(r *Release, hr *unstructured.Unstructured) error {
	r.Settings.Timeout = text(hr, "spec", "timeout")
	for _, one := range listAt(hr.Object, "spec", "dependsOn") {
		r.Settings.DependsOn = append(r.Settings.DependsOn, str(one["name"]))
	}
	if n, found, _ := unstructured.NestedInt64(hr.Object, "spec", "upgrade", "remediation", "retries"); found && n > 0 {
		r.Settings.Retries = int(min(n, 10))
	}
	for _, at := range [][]string{{"spec", "install", "disableHooks"}, {"spec", "upgrade", "disableHooks"}, {"spec", "kubeConfig"}} {
		if v, found, _ := unstructured.NestedFieldNoCopy(hr.Object, at...); found && v != false {
			return fmt.Errorf("%s has no equal here", strings.Join(at, "."))
		}
	}
	for _, one := range listAt(hr.Object, "spec", "postRenderers") {
		if err := r.patches(one); err != nil {
			return err
		}
	}
	return nil
}

// patches carries over what a post-renderer patches.
func (r *Release) patches(renderer map[string]any) error {
	kustomize := mapAt(renderer, "kustomize")
	for key := range kustomize {
		if key != "patches" {
			return fmt.Errorf("spec.postRenderers: kustomize.%s has no equal here: write it as patches", key)
		}
	}
	for _, p := range listAt(kustomize, "patches") {
		patch := map[string]any{"patch": p["patch"]}
		if target, ok := p["target"].(map[string]any); ok {
			patch["target"] = target
		}
		if str(p["patch"]) == "" {
			return errors.New("spec.postRenderers: a patch is empty")
		}
		if looksSecret(str(p["patch"])) {
			return errors.New("spec.postRenderers: a patch holds what looks like a secret, and is not written: put it into values")
		}
		r.Settings.Patches = append(r.Settings.Patches, patch)
	}
	return nil
}

func str(v any) string {
	s, _ := v.(string)
	return s
}

func text(o *unstructured.Unstructured, at ...string) string {
	s, _, _ := unstructured.NestedString(o.Object, at...) // what is no text says nothing
	return s
}

func mapAt(o map[string]any, at ...string) map[string]any {
	m, _, _ := unstructured.NestedMap(o, at...)
	return m
}

// listAt returns the maps of a list.
func listAt(o map[string]any, at ...string) []map[string]any {
	all, _, _ := unstructured.NestedSlice(o, at...)
	var out []map[string]any
	for _, one := range all {
		if m, ok := one.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}
