// Package record keeps releases' history as Helm's own release records.
//
// It does not know what a plan or a rollout is, and applies nothing: it reads
// and writes the Secrets in which Helm stores releases
// (https://helm.sh/docs/topics/advanced/#storage-backends), so that helm list,
// history and get work on what Tether deployed, and Tether reads what Helm did.
package record

import (
	"crypto/hmac"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/release"
	helmtime "helm.sh/helm/v3/pkg/time"

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
	labelRequest     = labelPrefix + "request"
	labelFirst       = labelPrefix + "first-revision"
	labelDeadline    = labelPrefix + "deadline"
	labelHeld        = labelPrefix + "held-since"
	labelUntouched   = labelPrefix + "untouched"
	labelPlain       = labelPrefix + "plain"
	labelSeal        = labelPrefix + "seal"
)

// Outcome is how a record's rollout ended.
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
	// FirstRevision is the revision in which its digest first ran well; 0 if that is
	// not known.
	FirstRevision int
	// Deadline is when its rollout has to have ended, to the second: interruptions don't
	// extend it. Zero if that is not known.
	Deadline time.Time
	// HeldSince is since when the deadline waits, because what is not healthy waits for
	// somebody; zero while it does not.
	HeldSince time.Time
	// Untouched says that its rollout failed before it applied any object: what ran before
	// goes on as it was.
	Untouched bool
	// Plain says that no secret went into it; else one may have.
	Plain bool
	// Request names the request for which its uninstall was tried again last.
	Request string
	// Left is how each object of the manifest was left, in its order: the agent's
	// projections, to be believed after a restart. Empty if that is not known.
	Left []byte
	// Damage says why the record can't be believed, or is gone; empty if neither is so.
	// History goes on without it.
	Damage string

	about   *about
	labels  map[string]string // the user's own, on the Secret
	body    []byte            // the encoded release, as it is stored; nil if it was not loaded
	decoded *release.Release  // what was decoded, or is to be written
	secretPlace
	sealed
}

// secretPlace is what is known of a record's Secret.
type secretPlace struct {
	created time.Time
	version string // as it was read or written last
	gone    bool   // it is not there any more
}

// about is what is shown of a record, kept when its body is not.
type about struct {
	chart, version, appVersion, description string
	updated, first                          time.Time
}

// Ours reports whether Tether wrote the record.
func (r *Record) Ours() bool { return r.Digest != "" }

// Release decodes the record's body. It is not safe for concurrent use.
func (r *Record) Release() (*release.Release, error) {
	if r.decoded == nil && r.body == nil {
		return nil, fmt.Errorf("release record %s/%s was not loaded", r.Namespace, r.key())
	}
	if r.Damage != "" {
		return nil, r.unreadable()
	}
	if r.decoded == nil {
		rel, err := decode(r.body)
		if err == nil {
			err = r.matches(rel)
		}
		if err == nil {
			err = judge(r, rel)
		}
		if err != nil {
			return nil, r.damaged(err)
		}
		r.decoded = rel
	}
	return r.decoded, nil
}

// sealedAbout is what a record's seal is about, besides what is applied.
func sealedAbout(r *Record) []string {
	return []string{r.Namespace, r.Name, strconv.Itoa(r.Revision), r.Environment, r.Digest}
}

// judge says whether a record of the agent's can be believed. What another environment's
// agent sealed it can't tell: that is never applied again, see Trusted.
func judge(r *Record, rel *release.Release) error {
	if !r.Ours() || r.seals.key == nil {
		return nil
	}
	r.strange = !hmac.Equal([]byte(r.seal), []byte(sealOf(r.seals.key, sealedAbout(r), rel)))
	if r.strange && r.Environment == r.seals.environment {
		return errUnsealed
	}
	return nil
}

// Trusted returns nil if a record's manifest may be applied: an agent with the same key wrote
// the record, or there is no key. The error sets the record aside.
func (r *Record) Trusted() error {
	if !r.strange {
		return nil
	}
	return r.damaged(errUnsealed)
}

// matches holds a body to what its Secret says that it is.
func (r *Record) matches(rel *release.Release) error {
	if rel.Name == r.Name && rel.Namespace == r.Namespace && rel.Version == r.Revision {
		return nil
	}
	return fmt.Errorf("it holds revision %d of release %.60q in namespace %.63q, which is not what the Secret is named after", rel.Version, rel.Name, rel.Namespace)
}

// damaged sets a record aside.
func (r *Record) damaged(why error) error {
	r.Damage = why.Error()
	return r.unreadable()
}

// deleted takes note that a record is not there any more.
func (r *Record) deleted() error {
	r.Damage, r.gone = "it was deleted", true
	return r.unreadable()
}

func (r *Record) unreadable() error {
	if r.gone {
		return &unreadableError{r, fmt.Errorf("release record %s/%s: %w", r.Namespace, r.key(), ErrGone)}
	}
	return &unreadableError{r, fmt.Errorf("release record %s/%s: %s: %w", r.Namespace, r.key(), r.Damage, ErrDamaged)}
}

// Forget drops the decoded body of a record that was read from the cluster: a thousand decoded
// records take hundreds of megabytes.
func (r *Record) Forget() {
	if r.body != nil {
		r.decoded = nil
	}
}

// slim drops the whole body of a former good record: it is only needed again for
// a rollback to it.
func (r *Record) slim() {
	if r.Status == release.StatusSuperseded {
		r.decoded, r.body = nil, nil
	}
}

func (r *Record) key() string { return fmt.Sprintf("sh.helm.release.v1.%s.v%d", r.Name, r.Revision) }

// New returns the next record of a release after its history, to be stored as pending before
// the first write. It takes over the time of the release's first deployment and people's own
// labels on its records, as Helm does.
func New(rel *manifest.Release, h History, action Action, environment, commit string, now time.Time) *Record {
	r := &Record{
		Name: rel.Name, Namespace: rel.Namespace, Revision: h.Next(),
		Digest: rel.Digest, Commit: commit, Environment: environment,
		Action: action, Outcome: Pending, Plain: rel.Plain,
	}
	if last := h.Last(); last != nil {
		r.labels = maps.Clone(last.labels)
	}
	r.decoded = &release.Release{
		Name: rel.Name, Namespace: rel.Namespace, Version: r.Revision,
		Manifest: rel.Manifest, Hooks: helmHooks(rel.Hooks), Config: rel.Values,
		Info: &release.Info{FirstDeployed: helmtime.Time{Time: h.FirstDeployed(now)}, LastDeployed: helmtime.Time{Time: now},
			Notes: rel.Notes, Status: pendingStatus(action)},
		Chart: &chart.Chart{Values: rel.Defaults, Metadata: &chart.Metadata{
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
		return nil, r.damaged(errors.New("its manifest can't be read")) // what the parser quotes may be secret
	}
	m := &manifest.Release{
		Name: r.Name, Namespace: r.Namespace, Digest: r.Digest, Objects: objects,
		Manifest: rel.Manifest, Notes: rel.Info.Notes, Values: rel.Config, Plain: r.Plain,
	}
	if rel.Chart != nil {
		m.Defaults = rel.Chart.Values
	}
	if rel.Chart != nil && rel.Chart.Metadata != nil {
		m.Chart = manifest.Chart{Name: rel.Chart.Metadata.Name, Version: rel.Chart.Metadata.Version, AppVersion: rel.Chart.Metadata.AppVersion}
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
