package record

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"helm.sh/helm/v3/pkg/release"
	helmtime "helm.sh/helm/v3/pkg/time"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/xetys/tether/render/manifest"
)

// Store reads and writes records through the API server, in the form of Helm's
// own driver for Secrets. It does not go through that driver, which encodes a
// record anew for each write and can't be given a context. It is safe for
// concurrent use on different releases.
type Store struct {
	client kubernetes.Interface
	turn   func(context.Context) (end func(), err error)
}

// NewStore returns a Store that works through client. Before each write it waits for
// its turn.
func NewStore(client kubernetes.Interface, turn func(context.Context) (end func(), err error)) *Store {
	return &Store{client: client, turn: turn}
}

// pageSize bounds how many records are read, and held with their bodies, at once.
const pageSize = 250

// List returns the records of every release in a namespace, oldest first, by
// release name. Superseded ones come without their bodies, see Load: a thousand
// releases have ten thousand of them.
func (s *Store) List(ctx context.Context, namespace string) (map[string][]*Record, error) {
	out := map[string][]*Record{}
	opts := metav1.ListOptions{LabelSelector: "owner=helm", Limit: pageSize}
	for {
		list, err := s.client.CoreV1().Secrets(namespace).List(ctx, opts)
		if apierrors.IsResourceExpired(err) && opts.Continue != "" {
			opts.Continue, out = "", map[string][]*Record{} // it took too long: begin anew
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list release records in namespace %s: %w", namespace, err)
		}
		for i := range list.Items {
			if r, ok := read(&list.Items[i]); ok {
				r.slim()
				out[r.Name] = append(out[r.Name], r)
			}
		}
		if opts.Continue = list.Continue; opts.Continue == "" {
			sortEach(out)
			return out, nil
		}
	}
}

// History returns the records of one release, oldest first, with their bodies;
// none is no error.
func (s *Store) History(ctx context.Context, namespace, name string) ([]*Record, error) {
	list, err := s.client.CoreV1().Secrets(namespace).List(ctx, metav1.ListOptions{LabelSelector: "owner=helm,name=" + name})
	if err != nil {
		return nil, fmt.Errorf("list release records of %s/%s: %w", namespace, name, err)
	}
	out := map[string][]*Record{}
	for i := range list.Items {
		if r, ok := read(&list.Items[i]); ok {
			out[name] = append(out[name], r)
		}
	}
	sortEach(out)
	return out[name], nil
}

func sortEach(byName map[string][]*Record) {
	for _, rs := range byName {
		slices.SortFunc(rs, func(a, b *Record) int { return a.Revision - b.Revision })
	}
}

// Load makes sure that a record has its body.
func (s *Store) Load(ctx context.Context, r *Record) error {
	if r.decoded != nil || r.body != nil {
		return nil
	}
	secret, err := s.client.CoreV1().Secrets(r.Namespace).Get(ctx, r.key(), metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("read release record %s/%s: %w", r.Namespace, r.key(), err)
	}
	r.body = secret.Data[keyRelease]
	return nil
}

// The keys of a record's Secret. Helm knows nothing of the second, and drops it when
// it writes the record.
const (
	keyRelease = "release"
	keyLeft    = "projections"
)

// Helm's labels on a record's Secret, besides the user's own.
var helmLabels = []string{"name", "owner", "status", "version", "createdAt", "modifiedAt"}

// read takes a record from its Secret. Whatever else carries the label
// owner=helm is passed over, as Helm does.
func read(s *corev1.Secret) (*Record, bool) {
	version, err := strconv.Atoi(s.Labels["version"])
	if err != nil || s.Labels["name"] == "" || len(s.Data[keyRelease]) == 0 {
		return nil, false
	}
	r := &Record{
		Name: s.Labels["name"], Namespace: s.Namespace, Revision: version,
		Status: release.Status(s.Labels["status"]), body: s.Data[keyRelease],
		deployed: s.CreationTimestamp.Time, Left: s.Data[keyLeft],
	}
	if s.Labels[labelRevision] == strconv.Itoa(version) {
		r.Digest, r.Commit, r.Environment = s.Labels[labelDigest], s.Labels[labelCommit], s.Labels[labelEnvironment]
		r.Outcome, r.Action = Outcome(s.Labels[labelOutcome]), Action(s.Labels[labelAction])
		event, n, _ := strings.Cut(s.Labels[labelHooks], ".")
		r.HookEvent, r.Request = event, s.Labels[labelRequest]
		r.HooksDone, _ = strconv.Atoi(n) // none that can be read is none that was done
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

// ErrExists says that a record of the same revision was written by somebody else.
var ErrExists = errors.New("a record of this revision exists already: somebody else deployed the release meanwhile")

// Create stores a new record, or returns ErrExists.
func (s *Store) Create(ctx context.Context, r *Record) error {
	secret, err := r.secret("createdAt")
	if err != nil {
		return err
	}
	end, err := s.turn(ctx)
	if err == nil {
		defer end()
		_, err = s.client.CoreV1().Secrets(r.Namespace).Create(ctx, secret, metav1.CreateOptions{})
	}
	if apierrors.IsAlreadyExists(err) {
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
	if err := s.Load(ctx, r); err != nil {
		return err
	}
	rel, err := r.Release()
	if err != nil {
		return err
	}
	r.Outcome, r.Status, r.about = o, status, nil
	rel.SetStatus(status, description)
	return s.update(ctx, r)
}

// Supersede marks a record as a former good one, and drops its body.
func (s *Store) Supersede(ctx context.Context, r *Record) error {
	err := s.Load(ctx, r)
	var rel *release.Release
	if err == nil {
		rel, err = r.Release()
	}
	if err == nil {
		r.Status = release.StatusSuperseded
		rel.Info.Status = release.StatusSuperseded
		err = s.update(ctx, r)
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return err // else somebody deleted it, with its namespace perhaps
	}
	r.slim()
	return nil
}

func (s *Store) update(ctx context.Context, r *Record) error {
	secret, err := r.secret("modifiedAt")
	if err != nil {
		return err
	}
	end, err := s.turn(ctx)
	if err == nil {
		defer end()
		_, err = s.client.CoreV1().Secrets(r.Namespace).Update(ctx, secret, metav1.UpdateOptions{})
	}
	if err != nil {
		return fmt.Errorf("update release record %s/%s: %w", r.Namespace, r.key(), err)
	}
	return nil
}

// secret encodes a record as Helm does; stamp is the label that holds the time.
func (r *Record) secret(stamp string) (*corev1.Secret, error) {
	rel, err := r.Release()
	if err != nil {
		return nil, err
	}
	if r.body, err = encode(rel); err != nil {
		return nil, err
	}
	data := map[string][]byte{keyRelease: r.body}
	if len(r.Left) > 0 {
		data[keyLeft] = r.Left
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: r.key(), Namespace: r.Namespace, Labels: r.allLabels(stamp)},
		Type:       "helm.sh/release.v1",
		Data:       data,
	}, nil
}

func (r *Record) allLabels(stamp string) map[string]string {
	labels := map[string]string{
		"name": r.Name, "owner": "helm", "status": string(r.Status), "version": strconv.Itoa(r.Revision),
		stamp: strconv.FormatInt(time.Now().Unix(), 10),
	}
	maps.Copy(labels, r.labels)
	if !r.Ours() {
		return labels
	}
	maps.Copy(labels, map[string]string{
		labelDigest: r.Digest, labelRevision: strconv.Itoa(r.Revision), labelCommit: r.Commit,
		labelEnvironment: r.Environment, labelOutcome: string(r.Outcome), labelAction: string(r.Action),
	})
	if r.HookEvent != "" {
		labels[labelHooks] = r.HookEvent + "." + strconv.Itoa(r.HooksDone)
	}
	if r.Request != "" {
		labels[labelRequest] = r.Request
	}
	return labels
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
