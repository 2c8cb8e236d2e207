// Package record keeps releases' history as Helm's own release records.
//
// It does not know what a plan or a rollout is, and applies nothing: it reads
// and writes the Secrets in which Helm stores releases
// (https://helm.sh/docs/topics/advanced/#storage-backends), so that helm list,
// history and get work on what Tether deployed, and Tether reads what Helm did.
package record

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
	helmtime "helm.sh/helm/v3/pkg/time"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	typedv1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/xetys/tether/render/manifest"
)

// Labels on a record's Secret, beside Helm's own. Helm copies a record's labels
// to the next one when somebody runs "helm upgrade": labelRevision tells a label
// that was written for this record from one that was inherited.
const (
	labelPrefix      = "tether.stytex.cloud/"
	labelDigest      = labelPrefix + "digest"
	labelRevision    = labelPrefix + "revision"
	labelCommit      = labelPrefix + "commit"
	labelEnvironment = labelPrefix + "environment"
	labelOutcome     = labelPrefix + "outcome"
	labelAction      = labelPrefix + "action"
	labelHooks       = labelPrefix + "hooks"
)

// Outcome says what became of a record's rollout.
type Outcome string

// The outcomes of a rollout. Helm's status knows "failed" alone for the last
// three, of which only Failed is a reason not to try the same inputs again.
const (
	Pending   Outcome = "pending"   // begun, and not known to have ended
	Good      Outcome = "good"      // became healthy
	Failed    Outcome = "failed"    // could not become healthy
	Abandoned Outcome = "abandoned" // given up for a newer commit before it was known
	Stuck     Outcome = "stuck"     // could not be uninstalled
)

// Action says why a record was written.
type Action string

// The actions that write a record.
const (
	Install  Action = "install"
	Upgrade  Action = "upgrade"
	Rollback Action = "rollback"
)

// Record is one revision of a release. Everything but the manifest, hooks,
// values and notes is known without decoding the record's body.
type Record struct {
	Name, Namespace string
	// Revision is Helm's: 1, 2, 3 …
	Revision int
	// Status is Helm's.
	Status release.Status
	// Digest is the input digest; empty when somebody else wrote the record.
	Digest string
	// Commit is the full SHA-1 of the commit that brought the record about.
	Commit string
	// Environment that the release belongs to; empty as Digest.
	Environment string
	Action      Action
	Outcome     Outcome
	// HookEvent and HooksDone say which hooks have succeeded: so many of the
	// event's, in their order.
	HookEvent string
	HooksDone int
	// Left is how each object of the manifest was left, in its order: the agent's
	// projections, to be believed after a restart. Empty if that is not known.
	Left []byte

	about    *about
	body     string           // the encoded release, as it was read
	decoded  *release.Release // what was decoded, or is to be written
	deployed time.Time
}

// about is what is shown of a record, kept when its body is not.
type about struct {
	chart, version, appVersion, description string
	updated                                 time.Time
}

// Ours reports whether Tether wrote the record.
func (r *Record) Ours() bool { return r.Digest != "" }

// Release decodes the record's body. It is not safe for concurrent use.
func (r *Record) Release() (*release.Release, error) {
	if r.decoded == nil {
		rel, err := decode(r.body)
		if err != nil {
			return nil, fmt.Errorf("decode release record %s: %w; the Secret is damaged: delete it to go on without it", r.key(), err)
		}
		r.decoded = rel
	}
	return r.decoded, nil
}

// Forget drops the decoded body of a record that was read from the cluster:
// a thousand decoded records are worth hundreds of megabytes.
func (r *Record) Forget() {
	if r.body != "" {
		r.decoded = nil
	}
}

func (r *Record) key() string { return fmt.Sprintf("sh.helm.release.v1.%s.v%d", r.Name, r.Revision) }

// New returns the record of rel at a revision, to be stored as pending before
// the first write.
func New(rel *manifest.Release, revision int, action Action, environment, commit string, now time.Time) *Record {
	r := &Record{
		Name: rel.Name, Namespace: rel.Namespace, Revision: revision,
		Digest: rel.Digest, Commit: commit, Environment: environment,
		Action: action, Outcome: Pending,
	}
	t := helmtime.Time{Time: now}
	r.decoded = &release.Release{
		Name: rel.Name, Namespace: rel.Namespace, Version: revision,
		Manifest: rel.Manifest, Hooks: helmHooks(rel.Hooks), Config: rel.Values,
		Info: &release.Info{FirstDeployed: t, LastDeployed: t, Notes: rel.Notes, Status: pendingStatus(action)},
		Chart: &chart.Chart{Metadata: &chart.Metadata{
			APIVersion: chart.APIVersionV2, Name: rel.Chart.Name, Version: rel.Chart.Version, AppVersion: rel.Chart.AppVersion,
		}},
	}
	r.Status = r.decoded.Info.Status
	return r
}

// helmHooks gives Helm's records the hooks in Helm's own form.
func helmHooks(hooks []manifest.Hook) []*release.Hook {
	out := make([]*release.Hook, 0, len(hooks))
	for _, h := range hooks {
		hh := &release.Hook{Name: h.GetName(), Kind: h.GetKind(), Path: h.Source, Manifest: h.Text, Weight: h.Weight}
		for _, e := range h.Events {
			hh.Events = append(hh.Events, release.HookEvent(e))
		}
		for _, p := range h.DeletePolicies {
			hh.DeletePolicies = append(hh.DeletePolicies, release.HookDeletePolicy(p))
		}
		out = append(out, hh)
	}
	return out
}

func pendingStatus(a Action) release.Status {
	switch a {
	case Install:
		return release.StatusPendingInstall
	case Rollback:
		return release.StatusPendingRollback
	default:
		return release.StatusPendingUpgrade
	}
}

// Store reads and writes records through the API server. It is safe for
// concurrent use on different releases.
type Store struct {
	client kubernetes.Interface
}

// NewStore returns a Store that works through client.
func NewStore(client kubernetes.Interface) *Store { return &Store{client: client} }

// List returns the records of every release in a namespace, oldest first, by
// release name.
func (s *Store) List(ctx context.Context, namespace string) (map[string][]*Record, error) {
	list, err := s.client.CoreV1().Secrets(namespace).List(ctx, metav1.ListOptions{LabelSelector: "owner=helm"})
	if err != nil {
		return nil, fmt.Errorf("list release records in namespace %s: %w", namespace, err)
	}
	return group(list.Items), nil
}

// History returns the records of one release, oldest first; none is no error.
func (s *Store) History(ctx context.Context, namespace, name string) ([]*Record, error) {
	list, err := s.client.CoreV1().Secrets(namespace).List(ctx, metav1.ListOptions{LabelSelector: "owner=helm,name=" + name})
	if err != nil {
		return nil, fmt.Errorf("list release records of %s/%s: %w", namespace, name, err)
	}
	return group(list.Items)[name], nil
}

func group(secrets []corev1.Secret) map[string][]*Record {
	out := map[string][]*Record{}
	for i := range secrets {
		if r, ok := read(&secrets[i]); ok {
			out[r.Name] = append(out[r.Name], r)
		}
	}
	for _, rs := range out {
		slices.SortFunc(rs, func(a, b *Record) int { return a.Revision - b.Revision })
	}
	return out
}

// read takes a record from its Secret. Whatever else carries the label
// owner=helm is passed over, as Helm does.
func read(s *corev1.Secret) (*Record, bool) {
	version, err := strconv.Atoi(s.Labels["version"])
	if err != nil || s.Labels["name"] == "" || len(s.Data["release"]) == 0 {
		return nil, false
	}
	r := &Record{
		Name: s.Labels["name"], Namespace: s.Namespace, Revision: version,
		Status: release.Status(s.Labels["status"]), body: string(s.Data["release"]),
		deployed: s.CreationTimestamp.Time, Left: s.Data[keyLeft],
	}
	if s.Labels[labelRevision] == strconv.Itoa(version) {
		r.Digest, r.Commit, r.Environment = s.Labels[labelDigest], s.Labels[labelCommit], s.Labels[labelEnvironment]
		r.Outcome, r.Action = Outcome(s.Labels[labelOutcome]), Action(s.Labels[labelAction])
		event, n, _ := strings.Cut(s.Labels[labelHooks], ".")
		r.HookEvent = event
		r.HooksDone, _ = strconv.Atoi(n) // none that can be read is none that was done
	}
	return r, true
}

// ErrExists says that a record of the same revision was written by somebody else.
var ErrExists = errors.New("a record of this revision exists already: somebody else deployed the release meanwhile")

// Create stores a new record, or returns ErrExists.
func (s *Store) Create(ctx context.Context, r *Record) error {
	rel, err := s.labelled(r)
	if err != nil {
		return err
	}
	err = s.driver(ctx, r).Create(r.key(), rel)
	if errors.Is(err, driver.ErrReleaseExists) {
		err = ErrExists
	}
	if err != nil {
		return fmt.Errorf("create release record %s/%s: %w", r.Namespace, r.key(), err)
	}
	return nil
}

// Conclude stores what became of a record: its outcome, Helm's status and the
// description that helm history shows.
func (s *Store) Conclude(ctx context.Context, r *Record, o Outcome, status release.Status, description string) error {
	rel, err := r.Release()
	if err != nil {
		return err
	}
	r.Outcome, r.Status, r.about = o, status, nil
	rel.SetStatus(status, description)
	return s.update(ctx, r)
}

// Supersede marks a record as a former good one.
func (s *Store) Supersede(ctx context.Context, r *Record) error {
	rel, err := r.Release()
	if err != nil {
		return err
	}
	r.Status = release.StatusSuperseded
	rel.Info.Status = release.StatusSuperseded
	if err := s.update(ctx, r); !apierrors.IsNotFound(err) {
		return err
	}
	return nil // somebody deleted it, with its namespace perhaps
}

func (s *Store) update(ctx context.Context, r *Record) error {
	rel, err := s.labelled(r)
	if err != nil {
		return err
	}
	if err := s.driver(ctx, r).Update(r.key(), rel); err != nil {
		return fmt.Errorf("update release record %s/%s: %w", r.Namespace, r.key(), err)
	}
	r.body, err = encode(rel)
	return err
}

// HookRan stores that a hook of an event has ended, the nth of them, so that it
// is not run again after an interruption, and helm status shows it.
func (s *Store) HookRan(ctx context.Context, r *Record, event string, n int, h manifest.Hook, started, ended time.Time, failed bool) error {
	rel, err := r.Release()
	if err != nil {
		return err
	}
	phase := release.HookPhaseSucceeded
	if failed {
		phase = release.HookPhaseFailed
	}
	for _, hook := range rel.Hooks {
		if hook.Name == h.GetName() && hook.Kind == h.GetKind() {
			hook.LastRun = release.HookExecution{StartedAt: helmtime.Time{Time: started}, CompletedAt: helmtime.Time{Time: ended}, Phase: phase}
		}
	}
	if !failed {
		r.HookEvent, r.HooksDone = event, n
	}
	return s.update(ctx, r)
}

// Delete removes a record; one that is gone already is no error.
func (s *Store) Delete(ctx context.Context, r *Record) error {
	err := s.client.CoreV1().Secrets(r.Namespace).Delete(ctx, r.key(), metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete release record %s/%s: %w", r.Namespace, r.key(), err)
	}
	return nil
}

func (s *Store) labelled(r *Record) (*release.Release, error) {
	rel, err := r.Release()
	if err != nil {
		return nil, err
	}
	rel.Labels = maps.Clone(rel.Labels)
	if rel.Labels == nil {
		rel.Labels = map[string]string{}
	}
	if r.Ours() {
		maps.Copy(rel.Labels, map[string]string{
			labelDigest: r.Digest, labelRevision: strconv.Itoa(r.Revision), labelCommit: r.Commit,
			labelEnvironment: r.Environment, labelOutcome: string(r.Outcome), labelAction: string(r.Action),
		})
		if r.HookEvent != "" {
			rel.Labels[labelHooks] = r.HookEvent + "." + strconv.Itoa(r.HooksDone)
		}
	}
	return rel, nil
}

// driver returns Helm's own driver, bound to ctx: by itself it would work
// without any time-out.
func (s *Store) driver(ctx context.Context, r *Record) *driver.Secrets {
	return driver.NewSecrets(boundSecrets{SecretInterface: s.client.CoreV1().Secrets(r.Namespace), ctx: ctx, left: r.Left})
}

// keyLeft is a key of a record's Secret beside Helm's own, which knows nothing of
// it and drops it when it writes the record.
const keyLeft = "projections"

// boundSecrets replaces the background context that Helm's driver passes, and adds
// what Helm knows nothing of. A context is kept in it, against the habit, because
// the driver takes none.
type boundSecrets struct {
	typedv1.SecretInterface
	ctx  context.Context
	left []byte
}

func (b boundSecrets) Create(_ context.Context, s *corev1.Secret, o metav1.CreateOptions) (*corev1.Secret, error) {
	return b.SecretInterface.Create(b.ctx, b.with(s), o)
}

func (b boundSecrets) Update(_ context.Context, s *corev1.Secret, o metav1.UpdateOptions) (*corev1.Secret, error) {
	return b.SecretInterface.Update(b.ctx, b.with(s), o)
}

func (b boundSecrets) with(s *corev1.Secret) *corev1.Secret {
	if len(b.left) > 0 {
		s.Data[keyLeft] = b.left
	}
	return s
}

// decode reads Helm's encoding of a release: JSON, gzipped, in base64.
func decode(body string) (*release.Release, error) {
	raw, err := base64.StdEncoding.DecodeString(body)
	if err != nil {
		return nil, err
	}
	var plain io.Reader = bytes.NewReader(raw)
	if bytes.HasPrefix(raw, []byte{0x1f, 0x8b, 0x08}) {
		if plain, err = gzip.NewReader(plain); err != nil {
			return nil, err
		}
	}
	var rel release.Release
	if err := json.NewDecoder(plain).Decode(&rel); err != nil {
		return nil, err
	}
	if rel.Info == nil {
		rel.Info = &release.Info{}
	}
	return &rel, nil
}

// encode is decode's inverse; a record in memory is kept in it.
func encode(rel *release.Release) (string, error) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if err := json.NewEncoder(w).Encode(rel); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(b.Bytes()), nil
}

// describe reads what is not on the record's labels, and keeps that alone; a
// damaged body describes nothing, and is reported where it is needed.
func (r *Record) describe() *about {
	if r.about != nil {
		return r.about
	}
	rel := r.decoded
	if rel == nil {
		rel, _ = decode(r.body) // damaged: nil
	}
	r.about = &about{}
	if rel == nil || rel.Info == nil {
		return r.about
	}
	r.about.description, r.about.updated = rel.Info.Description, rel.Info.LastDeployed.Time
	if rel.Chart != nil && rel.Chart.Metadata != nil {
		r.about.chart, r.about.version, r.about.appVersion = rel.Chart.Metadata.Name, rel.Chart.Metadata.Version, rel.Chart.Metadata.AppVersion
	}
	return r.about
}

// ChartName returns the name of the chart that the record was rendered from.
func (r *Record) ChartName() string { return r.describe().chart }

// ChartVersion returns the chart's version.
func (r *Record) ChartVersion() string { return r.describe().version }

// AppVersion returns the chart's appVersion.
func (r *Record) AppVersion() string { return r.describe().appVersion }

// Description returns Helm's description of what became of the record.
func (r *Record) Description() string { return r.describe().description }

// Updated returns when the record's rollout began.
func (r *Record) Updated() time.Time { return r.describe().updated }

// Manifest turns the record back into the release that it was, byte for byte,
// for a rollback or to compare the cluster with. A Helm record does not keep the
// chart's CRDs.
func (r *Record) Manifest(scope manifest.Scope) (*manifest.Release, error) {
	rel, err := r.Release()
	if err != nil {
		return nil, err
	}
	objects, err := manifest.Parse(rel.Manifest, rel.Namespace, scope)
	if err != nil {
		return nil, fmt.Errorf("release record %s/%s: %w", r.Namespace, r.key(), err)
	}
	m := &manifest.Release{
		Name: r.Name, Namespace: r.Namespace, Digest: r.Digest, Objects: objects,
		Manifest: rel.Manifest, Notes: rel.Info.Notes, Values: rel.Config,
		Chart: manifest.Chart{Name: r.ChartName(), Version: r.ChartVersion(), AppVersion: r.AppVersion()},
	}
	for _, h := range rel.Hooks {
		hook, err := hookOf(h, rel.Namespace, scope)
		if err != nil {
			return nil, fmt.Errorf("release record %s/%s: %w", r.Namespace, r.key(), err)
		}
		m.Hooks = append(m.Hooks, hook)
	}
	return m, nil
}

func hookOf(h *release.Hook, namespace string, scope manifest.Scope) (manifest.Hook, error) {
	objects, err := manifest.Parse(h.Manifest, namespace, scope)
	if err != nil {
		return manifest.Hook{}, err
	}
	if len(objects) != 1 {
		return manifest.Hook{}, fmt.Errorf("hook %s holds %d objects instead of one", h.Name, len(objects))
	}
	out := manifest.Hook{Object: objects[0], Text: h.Manifest, Weight: h.Weight}
	out.Source = h.Path
	for _, e := range h.Events {
		out.Events = append(out.Events, string(e))
	}
	for _, p := range h.DeletePolicies {
		out.DeletePolicies = append(out.DeletePolicies, string(p))
	}
	if len(out.DeletePolicies) == 0 {
		out.DeletePolicies = []string{string(release.HookBeforeHookCreation)}
	}
	return out, nil
}
