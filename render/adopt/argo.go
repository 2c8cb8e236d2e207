package adopt

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/strvals"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// The annotations by which an object belongs to a release, as Helm leaves them.
const (
	annotRelease = "meta.helm.sh/release-name"
	annotSpace   = "meta.helm.sh/release-namespace"
)

// application reads a release that Argo CD deploys.
func (a *adoption) application(app *unstructured.Unstructured) {
	from := fmt.Sprintf("Application %s/%s", app.GetNamespace(), app.GetName())
	if text(app, "spec", "destination", "namespace") != a.found.Namespace {
		return
	}
	source, refs, err := argoSource(app)
	if err != nil {
		if a.wants(app.GetName()) {
			a.refuse("%s: %v", from, err)
		}
		return
	}
	helm := mapAt(source, "helm")
	name := cmp.Or(str(helm["releaseName"]), app.GetName())
	if !a.take(name, from) {
		return
	}
	r := &Release{Name: name, Namespace: a.found.Namespace, From: from}
	version, err := a.argoChart(r, source)
	if err == nil {
		err = a.argoValues(r, helm, refs)
	}
	if err != nil {
		a.refuse("release %s: %s: %v", name, from, err)
		return
	}
	r.argoIgnores(app)
	r.HandOver = argoHandOver(app, r)
	a.addRelease(r, Recorded{Version: version})
}

// argoSource is the source of an Application that renders a chart, and those that its
// values files come from, by their names.
func argoSource(app *unstructured.Unstructured) (map[string]any, map[string]bool, error) {
	if server := text(app, "spec", "destination", "server"); server != "" && server != "https://kubernetes.default.svc" {
		return nil, nil, fmt.Errorf("it deploys to another cluster, %s: adopt it there", bare(server))
	}
	sources := listAt(app.Object, "spec", "sources")
	if len(sources) == 0 {
		sources = []map[string]any{mapAt(app.Object, "spec", "source")}
	}
	refs := map[string]bool{}
	var charts []map[string]any
	for _, s := range sources {
		if ref := str(s["ref"]); ref != "" {
			refs[ref] = true
		}
		if str(s["chart"]) != "" || str(s["path"]) != "" {
			charts = append(charts, s)
		}
	}
	if len(charts) != 1 {
		return nil, nil, fmt.Errorf("it renders %d sources, and a release has one chart: split it", len(charts))
	}
	return charts[0], refs, nil
}

// argoChart finds out where an Application's chart lies, and which version is wanted.
func (a *adoption) argoChart(r *Release, source map[string]any) (string, error) {
	address, chart, version := strings.TrimSuffix(str(source["repoURL"]), "/"), str(source["chart"]), str(source["targetRevision"])
	switch place := a.want.Charts[r.Name]; {
	case place != "":
		var err error
		r.Chart, err = a.placed(place, version)
		return "", err
	case chart == "":
		dir := path.Clean(strings.TrimPrefix(str(source["path"]), "./"))
		if a.versionOf(dir) == "" {
			return "", fmt.Errorf("it renders folder %s of %s, which is no chart in this repository: copy the chart, or name its place with --chart %s=FOLDER; what is no chart becomes one, with its objects as templates",
				dir, bare(address), r.Name)
		}
		r.Chart = Chart{Location: dir}
		return "", nil
	case !remote(address):
		address = "oci://" + address
	case !strings.HasPrefix(address, "https://") && !strings.HasPrefix(address, "oci://"):
		return "", fmt.Errorf("its chart comes from %s: charts come by https or oci: name a place with --chart %s=…", bare(address), r.Name)
	}
	r.Chart = Chart{Location: address + "/" + chart, Version: version}
	return version, nil
}

// maxParameter bounds the lists that the name of a parameter makes: an index of five
// digits stands for a megabyte.
const maxParameter = 300

// argoValues carries over values in Argo CD's order: files, values, parameters.
func (a *adoption) argoValues(r *Release, helm map[string]any, refs map[string]bool) error {
	for _, key := range []string{"fileParameters", "skipCrds", "apiVersions", "kubeVersion"} {
		if v := helm[key]; v != nil && v != false {
			return fmt.Errorf("helm.%s has no equal here", key)
		}
	}
	files, _, _ := unstructured.NestedStringSlice(helm, "valueFiles")
	for _, file := range files {
		at, err := a.argoFile(r, file, refs)
		if err != nil {
			return err
		}
		r.Files = append(r.Files, at)
	}
	r.Values = map[string]any{}
	if raw := str(helm["values"]); raw != "" {
		if err := yaml.Unmarshal([]byte(raw), &r.Values); err != nil {
			return errors.New("helm.values is no map of values")
		}
	}
	if object := mapAt(helm, "valuesObject"); len(object) > 0 {
		r.Values = object // in the place of values
	}
	for _, p := range listAt(helm, "parameters") {
		if len(str(p["name"])) > maxParameter {
			return fmt.Errorf("a parameter has a name of more than %d characters", maxParameter)
		}
		into := strvals.ParseInto
		if force, _ := p["forceString"].(bool); force {
			into = strvals.ParseIntoString
		}
		if err := into(str(p["name"])+"="+escaped(str(p["value"])), r.Values); err != nil {
			return fmt.Errorf("parameter %s can't be read", str(p["name"])) // what it quotes may be secret
		}
	}
	return nil
}

// escaped is a parameter's value as Argo CD hands it to helm --set: commas are a part of it.
func escaped(value string) string {
	if strings.HasPrefix(value, "{") && strings.HasSuffix(value, "}") {
		return value // a list
	}
	return strings.ReplaceAll(value, ",", `\,`)
}

// argoFile finds a values file in this repository.
func (a *adoption) argoFile(r *Release, file string, refs map[string]bool) (string, error) {
	at := path.Join(r.Chart.Location, file)
	if rest, ok := strings.CutPrefix(file, "$"); ok {
		ref, inside, _ := strings.Cut(rest, "/")
		if !refs[ref] {
			return "", fmt.Errorf("values file %s: no source is called %s", file, ref)
		}
		at = path.Clean(inside)
	} else if strings.HasPrefix(file, "/") {
		at = path.Clean(file[1:])
	}
	if !fs.ValidPath(at) || remote(at) || remote(file) || remote(r.Chart.Location) && !strings.HasPrefix(file, "$") {
		return "", fmt.Errorf("values file %s lies outside of this repository: copy it to environments, and list it in values", file)
	}
	if _, err := fs.Stat(a.files, at); err != nil {
		return "", fmt.Errorf("values file %s: this repository has no file %s: copy it there", file, at)
	}
	return at, nil
}

// argoIgnores carries over the differences that an Application ignores.
func (r *Release) argoIgnores(app *unstructured.Unstructured) {
	for _, one := range listAt(app.Object, "spec", "ignoreDifferences") {
		if one["jqPathExpressions"] != nil || one["managedFieldsManagers"] != nil {
			r.Notes = append(r.Notes, fmt.Sprintf("it ignores differences of %s by jq expressions or managers: write them as JSON pointers under spec.ignore", str(one["kind"])))
		}
		pointers, _, _ := unstructured.NestedStringSlice(one, "jsonPointers")
		if len(pointers) == 0 {
			continue
		}
		ignore := map[string]any{"kind": one["kind"], "paths": pointers}
		for _, key := range []string{"group", "name"} {
			if str(one[key]) != "" {
				ignore[key] = one[key]
			}
		}
		r.Settings.Ignore = append(r.Settings.Ignore, ignore)
	}
}

// argoHandOver are the commands that give an Application's objects to the release: Argo CD
// leaves no record, and its objects bear no release's name.
func argoHandOver(app *unstructured.Unstructured, r *Release) []string {
	where := "--namespace " + app.GetNamespace()
	out := []string{fmt.Sprintf(`kubectl patch application %s %s --type merge --patch '{"spec":{"syncPolicy":null},"metadata":{"finalizers":null}}'`, app.GetName(), where)}
	names := map[string][]string{} // of objects, by namespace
	for _, o := range listAt(app.Object, "status", "resources") {
		kind := str(o["kind"])
		if group := str(o["group"]); group != "" {
			kind += "." + str(o["version"]) + "." + group
		}
		if hook, _ := o["hook"].(bool); !hook {
			names[str(o["namespace"])] = append(names[str(o["namespace"])], word(kind+"/"+str(o["name"])))
		}
	}
	for _, namespace := range slices.Sorted(maps.Keys(names)) {
		in := ""
		if namespace != "" {
			in = " --namespace " + word(namespace)
		}
		slices.Sort(names[namespace])
		out = append(out, fmt.Sprintf("kubectl annotate %s%s %s=%s %s=%s", strings.Join(names[namespace], " "), in, annotRelease, r.Name, annotSpace, r.Namespace))
	}
	return append(out, fmt.Sprintf("kubectl delete application %s %s # without its finalizer it leaves its objects", app.GetName(), where))
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9./:_@%+=,-]+$`)

// word is a text as one word of a shell: who wrote it may not have meant a name.
func word(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
