package record

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"helm.sh/helm/v3/pkg/release"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"github.com/xetys/tether/test/cluster"
)

// place is a namespace of a real API server, and a Store of a user.
type place struct {
	*testing.T
	space string
	kube  kubernetes.Interface // an administrator's
	store *Store
}

var places atomic.Int32

func newPlace(t *testing.T, user string) *place {
	t.Helper()
	c := cluster.Shared(t)
	p := &place{T: t, kube: c.Kube, space: fmt.Sprintf("record-%d-%d", os.Getpid(), places.Add(1))}
	if _, err := c.Kube.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: p.space}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	config := rest.CopyConfig(c.Config)
	config.UserAgent, config.Impersonate.UserName = "tether", user
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	meta, err := metadata.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	p.store = NewStore(kube, meta, atOnce)
	return p
}

func (p *place) record(h History) *Record {
	rel := web("d")
	rel.Namespace = p.space
	return New(rel, h, Upgrade, "production", "c", time.Now())
}

// good stores a record that is deployed.
func (p *place) good(h History) *Record {
	p.Helper()
	r := p.record(h)
	p.check(p.store.Create(p.Context(), r))
	p.check(p.store.Finish(p.Context(), r, Good, release.StatusDeployed, "done"))
	return r
}

func (p *place) check(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

func (p *place) list() History {
	p.Helper()
	all, err := p.store.List(p.Context(), p.space)
	p.check(err)
	return all["web"]
}

// label writes a label on a record as somebody else.
func (p *place) label(r *Record, key, value string) {
	p.Helper()
	patch := fmt.Sprintf(`{"metadata":{"labels":{%q:%q}}}`, key, value)
	_, err := p.kube.CoreV1().Secrets(p.space).Patch(p.Context(), r.key(), types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	p.check(err)
}

// until waits until something is so.
func (p *place) until(what string, is func() bool) {
	p.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !is(); { // the quota controller starts slowly
		if time.Now().After(deadline) {
			p.Fatalf("not seen: %s", what)
		}
		time.Sleep(10 * time.Millisecond) // between two looks at a condition
	}
}

// What others do to records is told once; what the Store itself does is not.
func TestWhatOthersDoToRecordsIsTold(t *testing.T) {
	p := newPlace(t, "")
	p.good(nil)
	var told atomic.Int32
	p.check(p.store.Watch(t.Context(), p.space, func() { told.Add(1) }, func(err error) { t.Error(err) }))
	h := p.list()
	if len(h) != 1 {
		t.Fatalf("have %d records", len(h))
	}
	// A Secret that is no record to us tells that all before it was heard.
	beacons := 0
	beacon := func() {
		t.Helper()
		beacons++
		name := fmt.Sprintf("beacon-%d", beacons)
		before := told.Load()
		_, err := p.kube.CoreV1().Secrets(p.space).Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"owner": "helm"}}}, metav1.CreateOptions{})
		p.check(err)
		p.until("the beacon", func() bool { return told.Load() > before })
		if n := told.Load() - before; n != 1 {
			t.Errorf("%d events were told before the beacon", n-1)
		}
	}
	beacon()
	second := p.good(h)
	p.check(p.store.Supersede(t.Context(), h[0]))
	p.check(p.store.HookRan(t.Context(), second, "pre-upgrade", 1, web("d").Hooks[0], time.Now(), time.Now(), false))
	beacon()
	p.check(p.store.Delete(t.Context(), h[0]))
	beacon()
	p.list()
	beacon()
	for _, by := range []struct {
		what string
		do   func()
	}{
		{"a label", func() { p.label(second, "a", "b") }},
		{"a status", func() { p.label(second, "status", "uninstalled") }},
		{"a deletion", func() {
			p.check(p.kube.CoreV1().Secrets(p.space).Delete(t.Context(), second.key(), metav1.DeleteOptions{}))
		}},
	} {
		before := told.Load()
		by.do()
		p.until(by.what, func() bool { return told.Load() > before })
	}
}

// A person's write comes before ours: it is not overwritten, and what it says is known.
func TestAWriteAfterSomebodyElses(t *testing.T) {
	p := newPlace(t, "")
	r := p.record(nil)
	p.check(p.store.Create(t.Context(), r))
	p.label(r, "team", "shop")
	p.check(p.store.Finish(t.Context(), r, Good, release.StatusDeployed, "done"))
	if h := p.list(); h[0].labels["team"] != "shop" || h[0].Status != release.StatusDeployed {
		t.Errorf("a label that somebody gave it is gone: %+v", h[0])
	}
	p.label(r, "status", "uninstalled")
	err := p.store.Finish(t.Context(), r, Failed, release.StatusFailed, "no")
	if !errors.Is(err, ErrChanged) || !apierrors.IsConflict(err) {
		t.Errorf("have %v", err)
	}
	if r.Status != release.StatusUninstalled || p.list()[0].Status != release.StatusUninstalled {
		t.Errorf("have %s, stored %s", r.Status, p.list()[0].Status)
	}
	p.label(r, "status", "deployed")
	p.check(p.store.Supersede(t.Context(), r))
	if have := p.list()[0].Status; have != release.StatusSuperseded {
		t.Errorf("have %s", have)
	}
}

// What a chart brings is no record, though it has all that records have.
func TestAChartsSecretIsNoRecord(t *testing.T) {
	p := newPlace(t, "")
	p.good(nil)
	secret, err := p.record(p.list()).secret("createdAt")
	p.check(err)
	raw := fmt.Sprintf(`{"apiVersion":"v1","kind":"Secret","type":"helm.sh/release.v1","metadata":{"name":%q,"labels":{"owner":"helm","name":"web","version":"2","status":"deployed"}},"data":{"release":%q}}`,
		secret.Name, "aGVsbG8=")
	_, err = p.kube.CoreV1().Secrets(p.space).Patch(t.Context(), secret.Name, types.ApplyPatchType, []byte(raw), metav1.PatchOptions{FieldManager: "tether"})
	p.check(err)
	h := p.list()
	if current := h.Current(); current == nil || current.Revision != 1 || len(h.Damaged()) != 1 || !strings.Contains(h.Damaged()[0].Damage, "applied as an object of a chart") {
		t.Fatalf("have %+v", h)
	}
	if r := p.good(h); r.Revision != 3 {
		t.Errorf("the next revision is %d", r.Revision)
	}
}

// A name that is taken by what is no record is passed over; one that a record has is not.
func TestANumberThatIsTaken(t *testing.T) {
	p := newPlace(t, "")
	for _, labels := range []map[string]string{nil, {"owner": "helm"}} {
		name := fmt.Sprintf("sh.helm.release.v1.web.v%d", len(labels)+1)
		_, err := p.kube.CoreV1().Secrets(p.space).Create(t.Context(), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}, metav1.CreateOptions{})
		p.check(err)
	}
	r := p.good(nil)
	if h := p.list(); r.Revision != 3 || len(h) != 1 || h.Current() == nil {
		t.Errorf("revision %d, have %+v", r.Revision, h)
	}
	if err := p.store.Create(t.Context(), p.record(History{{Revision: 2}})); !errors.Is(err, ErrExists) {
		t.Errorf("have %v", err)
	}
}

// What the API server would not have is known before a rollout begins.
func TestARecordThatTheServerDoesNotTake(t *testing.T) {
	p := newPlace(t, "tom")
	_, err := p.kube.RbacV1().Roles(p.space).Create(t.Context(), &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "tom"},
		Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get", "list", "create"}}}}, metav1.CreateOptions{})
	p.check(err)
	if err = p.store.Check(t.Context(), p.record(nil), true); err == nil || !strings.Contains(err.Error(), `User "tom" cannot create resource "secrets"`) {
		t.Errorf("have %v", err)
	}
	_, err = p.kube.RbacV1().RoleBindings(p.space).Create(t.Context(), &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "tom"},
		RoleRef: rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "Role", Name: "tom"}, Subjects: []rbacv1.Subject{{Kind: "User", APIGroup: "rbac.authorization.k8s.io", Name: "tom"}}}, metav1.CreateOptions{})
	p.check(err)
	p.until("the permission", func() bool { return p.store.Check(context.Background(), p.record(nil), true) == nil })
	r := p.record(nil)
	p.check(p.store.Create(t.Context(), r))
	err = p.store.Finish(t.Context(), r, Good, release.StatusDeployed, "done")
	var denied *DeniedError
	if !errors.As(err, &denied) || !strings.Contains(err.Error(), `cannot update resource "secrets"`) || r.Status != release.StatusPendingUpgrade {
		t.Errorf("have %v, %s", err, r.Status)
	}
	told := make(chan error, 10)
	p.check(p.store.Watch(t.Context(), p.space, func() {}, func(err error) { told <- err }))
	if err := <-told; !errors.As(err, &denied) || !strings.Contains(err.Error(), `cannot watch resource "secrets"`) {
		t.Errorf("have %v", err)
	}
	_, err = p.kube.CoreV1().ResourceQuotas(p.space).Create(t.Context(), &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "small"},
		Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"count/secrets": resource.MustParse("1")}}}, metav1.CreateOptions{})
	p.check(err)
	p.until("the quota", func() bool {
		err := p.store.Check(context.Background(), p.record(History{r}), true)
		return err != nil && strings.Contains(err.Error(), "raise the quota")
	})
}

// That a namespace does not exist yet is no trouble for a record that will be there.
func TestARecordOfANamespaceThatComes(t *testing.T) {
	p := newPlace(t, "")
	p.space += "-comes"
	p.check(p.store.Check(t.Context(), p.record(nil), true))
}
