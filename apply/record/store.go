package record

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"helm.sh/helm/v3/pkg/release"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
)

// Store reads and writes records through the API server, in the format of Helm's own driver for
// Secrets. It does not use that driver, which encodes a record again for each write and does
// not take a context. It is safe for concurrent use on different releases.
type Store struct {
	client kubernetes.Interface
	meta   metadata.Interface
	turn   func(context.Context) (end func(), err error)
	known  known
	seals  seals
}

// NewStore returns a Store that works through client, and watches through meta. Before
// each write it waits for its turn.
func NewStore(client kubernetes.Interface, meta metadata.Interface, turn func(context.Context) (end func(), err error)) *Store {
	return &Store{client: client, meta: meta, turn: turn, known: newKnown()}
}

// Seal makes the store seal every record that it writes with a key, and trust the environment's
// records only with this seal. Without a key there are no seals. Call it before the first
// record is read.
func (s *Store) Seal(environment string, key []byte) {
	s.seals = seals{environment: environment, key: key}
}

// pageSize bounds how many records are read, and held with their bodies, at once.
const pageSize = 250

// List returns the records of every release in a namespace, oldest first, by release name.
// Superseded records have no bodies (see Load), because a thousand releases have ten thousand
// of them. Damaged records are included (see History.Damaged).
func (s *Store) List(ctx context.Context, namespace string) (map[string][]*Record, error) {
	defer s.known.reading(namespace)()
	out := map[string][]*Record{}
	versions := map[string]string{}
	opts := metav1.ListOptions{LabelSelector: ownedByHelm, Limit: pageSize}
	for {
		list, err := s.client.CoreV1().Secrets(namespace).List(ctx, opts)
		if apierrors.IsResourceExpired(err) && opts.Continue != "" {
			opts.Continue, out = "", map[string][]*Record{} // it took too long: begin anew
			continue
		}
		if err != nil {
			return nil, listFailed(fmt.Sprintf("list release records in namespace %s", namespace), err)
		}
		for i := range list.Items {
			versions[list.Items[i].Name] = list.Items[i].ResourceVersion
			if r, ok := s.read(&list.Items[i]); ok {
				r.check()
				r.slim()
				out[r.Name] = append(out[r.Name], r)
			}
		}
		if opts.Continue = list.Continue; opts.Continue == "" {
			sortEach(out)
			s.known.listed(namespace, versions)
			return out, nil
		}
	}
}

// check finds out whether a record whose body is needed is damaged. That of a former
// one is looked at when somebody goes back to it.
func (r *Record) check() {
	if r.Status != release.StatusSuperseded {
		r.describe()
	}
}

// History returns the records of one release, oldest first, with their bodies. It is not an
// error if there are none.
func (s *Store) History(ctx context.Context, namespace, name string) ([]*Record, error) {
	list, err := s.client.CoreV1().Secrets(namespace).List(ctx, metav1.ListOptions{LabelSelector: ownedByHelm + ",name=" + name})
	if err != nil {
		return nil, listFailed(fmt.Sprintf("list release records of %s/%s", namespace, name), err)
	}
	out := map[string][]*Record{}
	for i := range list.Items {
		if r, ok := s.read(&list.Items[i]); ok {
			r.describe()
			out[name] = append(out[name], r)
		}
	}
	sortEach(out)
	return out[name], nil
}

func listFailed(what string, err error) error {
	if apierrors.IsForbidden(err) {
		return &DeniedError{What: what, err: err}
	}
	return fmt.Errorf("%s: %w", what, err)
}

func sortEach(byName map[string][]*Record) {
	for _, rs := range byName {
		slices.SortFunc(rs, func(a, b *Record) int { return a.Revision - b.Revision })
	}
}

// Load makes sure that a record has its body. A record that is gone or damaged is an error for
// which Unreadable is true.
func (s *Store) Load(ctx context.Context, r *Record) error {
	if r.Damage != "" {
		return r.unreadable()
	}
	if r.decoded != nil || r.body != nil {
		return nil
	}
	fresh, err := s.fetch(ctx, r)
	if err != nil {
		return err
	}
	r.body = fresh.body
	if fresh.Damage != "" {
		r.Damage = fresh.Damage
		return r.unreadable()
	}
	if _, err = r.Release(); err != nil { // what is in it may be another's
		return err
	}
	r.decoded = nil
	return nil
}

// fetch reads a record as it is stored now.
func (s *Store) fetch(ctx context.Context, r *Record) (*Record, error) {
	secret, err := s.client.CoreV1().Secrets(r.Namespace).Get(ctx, r.key(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, r.deleted()
	}
	if err != nil {
		return nil, failed("read", r, err)
	}
	fresh, ok := s.read(secret)
	if !ok {
		return nil, r.damaged(errNoRecord)
	}
	return fresh, nil
}

// read takes a record from its Secret, to be judged by the store's seals.
func (s *Store) read(secret *corev1.Secret) (*Record, bool) {
	r, ok := read(secret)
	if ok {
		r.seals = s.seals
	}
	return r, ok
}

// The keys of a record's Secret. Helm knows nothing of the second, and drops it when
// it writes the record.
const (
	keyRelease = "release"
	keyLeft    = "projections"
)

const (
	secretType  = "helm.sh/release.v1"
	ownedByHelm = "owner=helm"
)

// Helm's labels on a record's Secret, besides the user's own.
var helmLabels = []string{"name", "owner", "status", "version", "createdAt", "modifiedAt"}

// maxRevision is more than any release comes to; beyond, there would be no next one.
const maxRevision = 1 << 30

// read takes a record from its Secret. Whatever else carries the label owner=helm is
// passed over, as Helm does: but a Secret that has a record's name keeps it from being
// given to another, and is a damaged record.
func read(s *corev1.Secret) (*Record, bool) {
	version, err := strconv.Atoi(s.Labels["version"])
	if err != nil || version < 1 || version > maxRevision || s.Labels["name"] == "" {
		return nil, false
	}
	r := &Record{
		Name: s.Labels["name"], Namespace: s.Namespace, Revision: version,
		Status: release.Status(s.Labels["status"]), body: s.Data[keyRelease],
		Left: s.Data[keyLeft], secretPlace: secretPlace{created: s.CreationTimestamp.Time, version: s.ResourceVersion},
	}
	if s.Name != r.key() {
		return nil, false
	}
	if r.Damage = distrust(s); r.Damage != "" {
		r.body, r.Left = nil, nil
		return r, true
	}
	if s.Labels[labelRevision] == strconv.Itoa(version) {
		r.Digest, r.Commit, r.Environment = s.Labels[labelDigest], s.Labels[labelCommit], s.Labels[labelEnvironment]
		r.Outcome, r.Action = Outcome(s.Labels[labelOutcome]), Action(s.Labels[labelAction])
		r.seal = s.Labels[labelSeal]
		event, n, _ := strings.Cut(s.Labels[labelHooks], ".")
		r.HookEvent, r.Request = event, s.Labels[labelRequest]
		r.HooksDone, _ = strconv.Atoi(n) // none that can be read is none that was done
		r.FirstRevision, _ = strconv.Atoi(s.Labels[labelFirst])
		r.Untouched = s.Labels[labelUntouched] == "true"
		r.Plain = s.Labels[labelPlain] == "true"
		if at, err := strconv.ParseInt(s.Labels[labelDeadline], 10, 64); err == nil {
			r.Deadline = time.Unix(at, 0)
		}
		if since, err := strconv.ParseInt(s.Labels[labelHeld], 10, 64); err == nil {
			r.HeldSince = time.Unix(since, 0)
		}
	}
	for k, v := range s.Labels {
		if !slices.Contains(helmLabels, k) && !strings.HasPrefix(k, labelPrefix) {
			if r.labels == nil {
				r.labels = map[string]string{}
			}
			r.labels[k] = v
		}
	}
	return r, true
}

// These mark the objects that a chart brings, and no record: Helm names the
// release in an annotation, and so does Tether, which applies them under its own name.
const (
	annotRelease = "meta.helm.sh/release-name"
	fieldManager = "tether"
)

// distrust says why a Secret can't be a record, whatever it says of itself; empty if it
// can. What a chart brings is never history, or a chart would say what is applied,
// and deleted, in its place.
func distrust(s *corev1.Secret) string {
	for _, m := range s.ManagedFields {
		if m.Manager == fieldManager && m.Operation == metav1.ManagedFieldsOperationApply {
			return "it was applied as an object of a chart, and is no record that Helm or Tether wrote"
		}
	}
	switch {
	case s.Annotations[annotRelease] != "":
		return fmt.Sprintf("it is an object of the chart of release %.60q, and no record that Helm or Tether wrote", s.Annotations[annotRelease])
	case s.Type != secretType:
		return fmt.Sprintf("it is a Secret of type %.60q, not %s", s.Type, secretType)
	case len(s.Data[keyRelease]) == 0:
		return "it is empty"
	}
	return ""
}
