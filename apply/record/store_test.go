package record

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"helm.sh/helm/v3/pkg/release"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/xetys/tether/render/manifest"
)

func atOnce(context.Context) (func(), error) { return func() {}, nil }

// web is a release as it is rendered.
func web(digest string) *manifest.Release {
	return &manifest.Release{
		Name: "web", Namespace: "prod", Digest: digest, Chart: manifest.Chart{Name: "web", Version: "1.2.3", AppVersion: "v4"},
		Manifest: "---\n# Source: web/templates/c.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n",
		Notes:    "Hello.", Values: map[string]any{"tag": "v1"}, Defaults: map[string]any{"tag": "v0", "replicas": 1.0},
		Hooks: []manifest.Hook{{Object: manifest.Object{Source: "web/templates/h.yaml", Unstructured: objectOf("Job", "migrate")}, Text: "kind: Job\napiVersion: batch/v1\nmetadata: {name: migrate}",
			Events: []string{"pre-upgrade"}, DeletePolicies: []string{"before-hook-creation"}}},
	}
}

// A record is read as it was written.
func TestARecordIsReadAsItWasWritten(t *testing.T) {
	s := NewStore(fake.NewClientset(), nil, atOnce)
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	r := New(web("d1"), nil, Install, "production", "c1", now)
	r.labels = map[string]string{"team": "shop"}
	if err := s.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if err := s.Finish(t.Context(), r, Good, release.StatusDeployed, "Install complete", WithLeft([]byte("left"))); err != nil {
		t.Fatal(err)
	}
	next := New(web("d2"), History{r}, Upgrade, "production", "c2", now.Add(time.Hour))
	if err := s.Create(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	if err := s.Finish(t.Context(), next, Good, release.StatusDeployed, "Upgrade complete"); err != nil {
		t.Fatal(err)
	}
	if err := s.Supersede(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	all, err := s.List(t.Context(), "prod")
	if err != nil {
		t.Fatal(err)
	}
	h := History(all["web"])
	if have := revisions(h); have != "1 2" || h.Current() != h[1] || h[0].Status != release.StatusSuperseded {
		t.Fatalf("have %s", have)
	}
	if old := h[0]; old.Digest != "d1" || old.Commit != "c1" || old.Environment != "production" || old.Action != Install || old.Outcome != Good || string(old.Left) != "left" || old.body != nil {
		t.Errorf("have %+v", old)
	}
	rel, err := h[1].Release()
	if err != nil {
		t.Fatal(err)
	}
	if !rel.Info.FirstDeployed.Time.Equal(now) || rel.Info.LastDeployed.Time.Equal(now) || rel.Info.Description != "Upgrade complete" {
		t.Errorf("have %+v", rel.Info)
	}
	if rel.Chart.Values["tag"] != "v0" || rel.Config["tag"] != "v1" || h[1].labels["team"] != "shop" {
		t.Errorf("have %v, %v, %v", rel.Chart.Values, rel.Config, h[1].labels)
	}
	back, err := h[1].Manifest(nil)
	if err != nil {
		t.Fatal(err)
	}
	if back.Manifest != web("d2").Manifest || len(back.Hooks) != 1 || back.Hooks[0].Text != web("d2").Hooks[0].Text || back.Defaults["replicas"] != 1.0 || back.Chart != web("d2").Chart {
		t.Errorf("have %+v", back)
	}
}

// secretOf is a good record of web as it is stored.
func secretOf(t *testing.T, revision int, status release.Status) *corev1.Secret {
	t.Helper()
	r := New(web("d"), History{{Revision: revision - 1, Damage: "it is not there"}}, Install, "production", "c", time.Now())
	r.Outcome, r.Status = Good, status
	r.decoded.Info.Status = status
	secret, err := r.secret("createdAt")
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// What is damaged or forged is set aside: the release goes on without it, its number is
// not given again, and who asks is told why.
func TestWhatIsNotBelieved(t *testing.T) {
	body := func(text string) func(*corev1.Secret) {
		return func(s *corev1.Secret) { s.Data[keyRelease] = packed(t, []byte(text)) }
	}
	for sentence, c := range map[string]struct {
		change func(*corev1.Secret)
		why    string // nothing if it is passed over without a word
	}{
		"a body of another release":   {body(`{"name":"other","namespace":"prod","version":2}`), `it holds revision 2 of release "other" in namespace "prod"`},
		"a body of another namespace": {body(`{"name":"web","namespace":"beta","version":2}`), `in namespace "beta"`},
		"a body of another revision":  {body(`{"name":"web","namespace":"prod","version":1}`), "it holds revision 1 of"},
		"a body that is no JSON":      {body("?"), "invalid character"},
		"a body that is a bomb":       {func(s *corev1.Secret) { s.Data[keyRelease] = packed(t, make([]byte, maxPlain+1)) }, "unpacks to more than 64 MiB"},
		"a body that is cut off":      {func(s *corev1.Secret) { s.Data[keyRelease] = s.Data[keyRelease][:40] }, "EOF"},
		"no body":                     {func(s *corev1.Secret) { s.Data = nil }, "it is empty"},
		"a Secret of another type":    {func(s *corev1.Secret) { s.Type = "Opaque" }, `type "Opaque"`},
		"an object of a chart": {func(s *corev1.Secret) { s.Annotations = map[string]string{annotRelease: "evil"} },
			"an object of the chart of release \"evil\""},
		"what was applied as one": {func(s *corev1.Secret) {
			s.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "tether", Operation: metav1.ManagedFieldsOperationApply}}
		}, "applied as an object of a chart"},
		"a Secret of another name":      {func(s *corev1.Secret) { s.Name = "forged" }, ""},
		"a version that is none":        {func(s *corev1.Secret) { s.Labels["version"] = "x" }, ""},
		"a record that is not Helm's":   {func(s *corev1.Secret) { s.Labels["owner"] = "me" }, ""},
		"a record of no release at all": {func(s *corev1.Secret) { delete(s.Labels, "name") }, ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			good, bad := secretOf(t, 1, release.StatusDeployed), secretOf(t, 2, release.StatusDeployed)
			c.change(bad)
			s := NewStore(fake.NewClientset(good, bad, func() *corev1.Secret { o := secretOf(t, 1, release.StatusDeployed); o.Namespace = "beta"; return o }()), nil, atOnce)
			all, err := s.List(t.Context(), "prod")
			if err != nil {
				t.Fatal(err)
			}
			one, err := s.History(t.Context(), "prod", "web")
			if err != nil {
				t.Fatal(err)
			}
			for how, h := range map[string]History{"list": all["web"], "history": one} {
				if current := h.Current(); current == nil || current.Revision != 1 || h.Last() != current {
					t.Fatalf("%s: what runs is %+v", how, current)
				}
				damaged := h.Damaged()
				if (len(damaged) == 0) != (c.why == "") || len(damaged) > 0 && !strings.Contains(damaged[0].Damage, c.why) {
					t.Errorf("%s: damaged are %+v, want %q", how, damaged, c.why)
				}
			}
			next := New(web("d3"), all["web"], Upgrade, "production", "c3", time.Now())
			if err := s.Create(t.Context(), next); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A former record is read when somebody goes back to it. That it is damaged, or gone, is
// an answer: the history goes on without it.
func TestAFormerRecordThatCannotBeRead(t *testing.T) {
	for sentence, c := range map[string]struct {
		spoil func(t *testing.T, client kubernetes.Interface)
		want  error
		tells int // damaged records
	}{
		"it was deleted": {func(t *testing.T, client kubernetes.Interface) {
			if err := client.CoreV1().Secrets("prod").Delete(t.Context(), "sh.helm.release.v1.web.v1", metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
		}, ErrGone, 0},
		"it is another's": {func(t *testing.T, client kubernetes.Interface) {
			s := secretOf(t, 1, release.StatusSuperseded)
			s.Data[keyRelease] = packed(t, []byte(`{"name":"other","namespace":"prod","version":1}`))
			if _, err := client.CoreV1().Secrets("prod").Update(t.Context(), s, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
		}, ErrDamaged, 1},
		"its labels are gone": {func(t *testing.T, client kubernetes.Interface) {
			s := secretOf(t, 1, release.StatusSuperseded)
			s.Labels = nil
			if _, err := client.CoreV1().Secrets("prod").Update(t.Context(), s, metav1.UpdateOptions{}); err != nil {
				t.Fatal(err)
			}
		}, ErrDamaged, 1},
	} {
		t.Run(sentence, func(t *testing.T) {
			client := fake.NewClientset(secretOf(t, 1, release.StatusSuperseded), secretOf(t, 2, release.StatusDeployed))
			s := NewStore(client, nil, atOnce)
			all, err := s.List(t.Context(), "prod")
			if err != nil {
				t.Fatal(err)
			}
			h := History(all["web"])
			c.spoil(t, client)
			for range 2 {
				if err := s.Load(t.Context(), h[0]); !errors.Is(err, c.want) || !Unreadable(err) {
					t.Errorf("have %v", err)
				}
			}
			if n := len(h.Damaged()); n != c.tells || h.GoodWith("d") != h[1] || len(h.Intended()) != 1 {
				t.Errorf("%d damaged; %v", n, h.GoodWith("d"))
			}
			if err := s.Supersede(t.Context(), h[0]); err != nil {
				t.Errorf("supersede: %v", err)
			}
		})
	}
}

// refusing answers some requests with an error.
func refusing(client *fake.Clientset, verb string, err error) {
	client.PrependReactor(verb, "secrets", reaction(err))
}

// A record is what it was until it is stored otherwise.
func TestAWriteThatFailsChangesNothing(t *testing.T) {
	trouble := apierrors.NewInternalError(errors.New("etcdserver: leader changed"))
	writes := map[string]func(*Store, *Record) error{
		"conclude": func(s *Store, r *Record) error {
			return s.Finish(t.Context(), r, Good, release.StatusDeployed, "done", WithLeft([]byte("left")), ForgetHooks, OnRequest("7"))
		},
		"supersede": func(s *Store, r *Record) error { return s.Supersede(t.Context(), r) },
		"hook": func(s *Store, r *Record) error {
			return s.HookRan(t.Context(), r, "pre-upgrade", 2, web("d").Hooks[0], time.Now(), time.Now(), false)
		},
	}
	writes["hold"] = func(s *Store, r *Record) error {
		return s.Hold(t.Context(), r, time.Unix(1_900_000_000, 0), time.Unix(1_800_000_000, 0))
	}
	for name, write := range writes {
		t.Run(name, func(t *testing.T) {
			client := fake.NewClientset()
			s := NewStore(client, nil, atOnce)
			r := New(web("d"), nil, Upgrade, "production", "c", time.Now())
			r.HookEvent, r.HooksDone = "pre-upgrade", 1
			if err := s.Create(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			before, labels := *r, r.allLabels("x")
			rel, err := r.Release()
			if err != nil {
				t.Fatal(err)
			}
			info, hook := *rel.Info, *rel.Hooks[0]
			refusing(client, "update", trouble)
			if err := write(s, r); err == nil || !strings.Contains(err.Error(), "update release record prod/sh.helm.release.v1.web.v1: ") {
				t.Fatalf("have %v", err)
			}
			if !maps.Equal(labels, r.allLabels("x")) || string(r.Left) != string(before.Left) || !reflect.DeepEqual(*rel.Info, info) || rel.Hooks[0].LastRun != hook.LastRun {
				t.Errorf("it changed: %+v", r)
			}
			if again, err := r.Release(); err != nil || again != rel {
				t.Errorf("its body changed: %v", err)
			}
			client.ReactionChain = client.ReactionChain[1:]
			if err := write(s, r); err != nil {
				t.Fatal(err)
			}
			stored, err := s.History(t.Context(), "prod", "web")
			if err != nil || len(stored) != 1 || stored[0].Status != r.Status || stored[0].Outcome != r.Outcome || stored[0].HooksDone != r.HooksDone ||
				!stored[0].Deadline.Equal(r.Deadline) || !stored[0].HeldSince.Equal(r.HeldSince) {
				t.Errorf("%v: %+v is not %+v", err, stored, r)
			}
		})
	}
}

// What was rolled out has to be known, whoever deletes the record of it.
func TestAWriteOfARecordThatIsGone(t *testing.T) {
	for sentence, c := range map[string]struct {
		write func(*Store, *Record) error
		want  release.Status // of the record that is there then, nothing if there is none
	}{
		"a rollout that ended is recorded": {func(s *Store, r *Record) error {
			return s.Finish(t.Context(), r, Good, release.StatusDeployed, "done")
		}, release.StatusDeployed},
		"so is one that failed": {func(s *Store, r *Record) error {
			return s.Finish(t.Context(), r, Failed, release.StatusFailed, "no")
		}, release.StatusFailed},
		"so is a hook that ran": {func(s *Store, r *Record) error {
			return s.HookRan(t.Context(), r, "pre-upgrade", 1, web("d").Hooks[0], time.Now(), time.Now(), false)
		}, release.StatusPendingUpgrade},
		"so is a deadline that waits": {func(s *Store, r *Record) error {
			return s.Hold(t.Context(), r, time.Now(), time.Now())
		}, release.StatusPendingUpgrade},
		"a former one stays away": {func(s *Store, r *Record) error { return s.Supersede(t.Context(), r) }, ""},
		"so does one that is uninstalled": {func(s *Store, r *Record) error {
			return s.Finish(t.Context(), r, Good, release.StatusUninstalled, "gone")
		}, ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			client := fake.NewClientset()
			s := NewStore(client, nil, atOnce)
			r := New(web("d"), nil, Upgrade, "production", "c", time.Now())
			if err := s.Create(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			if err := client.CoreV1().Secrets("prod").Delete(t.Context(), r.key(), metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			if err := c.write(s, r); err != nil {
				t.Fatal(err)
			}
			have, err := s.History(t.Context(), "prod", "web")
			if err != nil || (len(have) == 0) != (c.want == "") || len(have) > 0 && (have[0].Status != c.want || have[0].Digest != "d") {
				t.Errorf("%v: have %+v, want %q", err, have, c.want)
			}
		})
	}
}

// noise is a text that does not get smaller.
func noise(n int) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	random := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = letters[random.IntN(len(letters))]
	}
	return string(b)
}

// A record that does not fit into a Secret is known before it is written.
func TestARecordThatIsTooLarge(t *testing.T) {
	for sentence, c := range map[string]struct {
		manifest, defaults int
		fits, keeps        bool
	}{
		"what is small fits":                            {1_000, 1_000, true, true},
		"what compresses well fits":                     {-8_000_000, 0, true, true},
		"what is large goes without the defaults":       {900_000, 300_000, true, false},
		"what is too large without them is not":         {1_200_000, 1_000, false, false},
		"what fits, and could not be concluded, is not": {1_040_000, 0, false, false},
	} {
		t.Run(sentence, func(t *testing.T) {
			client := fake.NewClientset()
			s := NewStore(client, nil, atOnce)
			rel := web("d")
			if rel.Manifest += "# " + noise(max(c.manifest, 0)); c.manifest < 0 {
				rel.Manifest += strings.Repeat("a", -c.manifest)
			}
			rel.Defaults = map[string]any{"a": noise(c.defaults)}
			r := New(rel, nil, Install, "production", "c", time.Now())
			checked, created := s.Check(t.Context(), r, false), s.Create(t.Context(), r)
			for what, err := range map[string]error{"check": checked, "create": created} {
				var large *TooLargeError
				if (err == nil) != c.fits || err != nil && (!errors.As(err, &large) || large.Size <= large.Limit || !strings.Contains(err.Error(), "release web: its Helm record takes ")) {
					t.Errorf("%s: %v", what, err)
				}
			}
			if !c.fits {
				return
			}
			left := WithLeft([]byte(noise(corev1.MaxSecretSize / 2)))
			if err := s.Finish(t.Context(), r, Good, release.StatusDeployed, strings.Repeat(noise(100), 1_000), left); err != nil {
				t.Fatal(err)
			}
			stored, err := client.CoreV1().Secrets("prod").Get(t.Context(), r.key(), metav1.GetOptions{})
			if err != nil || len(stored.Data[keyRelease])+len(stored.Data[keyLeft]) > corev1.MaxSecretSize {
				t.Errorf("%v: %d and %d bytes", err, len(stored.Data[keyRelease]), len(stored.Data[keyLeft]))
			}
			if have, err := decode(stored.Data[keyRelease]); err != nil || (have.Chart.Values != nil) != c.keeps {
				t.Errorf("%v: the defaults are %t", err, have.Chart.Values != nil)
			}
		})
	}
}

// What the API server does not allow is told as that: who may not do what, and how to
// mend it.
func TestAWriteThatIsDenied(t *testing.T) {
	secrets := schema.GroupResource{Resource: "secrets"}
	for sentence, c := range map[string]struct {
		err  error
		want string
	}{
		"for want of a permission": {apierrors.NewForbidden(secrets, "x", errors.New(`User "tom" cannot create resource "secrets" in API group "" in the namespace "prod"`)),
			`User "tom" cannot create resource "secrets" in API group "" in the namespace "prod": each release has its records there; give that user get, list, watch, create, update and delete of secrets`},
		"because of a quota":        {apierrors.NewForbidden(secrets, "x", errors.New("exceeded quota: small, requested: count/secrets=1, used: count/secrets=3, limited: count/secrets=3")), "raise the quota, or keep fewer records with --history-max"},
		"by an admission policy":    {apierrors.NewForbidden(secrets, "x", errors.New(`ValidatingAdmissionPolicy 'no' denied request: never`)), "denied request: never"},
		"by an admission webhook":   {&apierrors.StatusError{ErrStatus: metav1.Status{Code: 400, Reason: metav1.StatusReasonBadRequest, Message: `admission webhook "no" denied the request: never`}}, "denied the request: never"},
		"a server in trouble is no": {apierrors.NewInternalError(errors.New("etcdserver: leader changed")), ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			client := fake.NewClientset()
			refusing(client, "create", c.err)
			s := NewStore(client, nil, atOnce)
			r := New(web("d"), nil, Install, "production", "c", time.Now())
			for what, err := range map[string]error{"check": s.Check(t.Context(), r, true), "create": s.Create(t.Context(), r)} {
				var denied *DeniedError
				if errors.As(err, &denied) != (c.want != "") || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "create release record prod/sh.helm.release.v1.web.v1: ") {
					t.Errorf("%s: %v", what, err)
				}
			}
			if err := s.Check(t.Context(), r, false); err != nil {
				t.Errorf("nobody was to be asked: %v", err)
			}
		})
	}
}
