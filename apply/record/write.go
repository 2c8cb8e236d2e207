package record

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"helm.sh/helm/v3/pkg/release"
	helmtime "helm.sh/helm/v3/pkg/time"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xetys/tether/render/manifest"
)

// Create stores a new record, or returns ErrExists. If a Secret with the record's name exists
// that is not a record, the record gets the next number.
func (s *Store) Create(ctx context.Context, r *Record) error {
	const mostPassedOver = 20
	r.seals = s.seals
	for try := 0; ; try++ {
		err := s.create(ctx, r)
		if !apierrors.IsAlreadyExists(err) {
			return err
		}
		if try == mostPassedOver || !s.occupied(ctx, r) {
			return fmt.Errorf("create release record %s/%s: %w", r.Namespace, r.key(), ErrExists)
		}
		if r.FirstRevision == r.Revision {
			r.FirstRevision++
		}
		r.Revision++
		r.decoded.Version = r.Revision
	}
}

// occupied reports whether a record's name is taken by what List does not show.
func (s *Store) occupied(ctx context.Context, r *Record) bool {
	secret, err := s.client.CoreV1().Secrets(r.Namespace).Get(ctx, r.key(), metav1.GetOptions{})
	if err != nil {
		return false
	}
	_, listed := read(secret)
	return !listed || secret.Labels["owner"] != "helm"
}

func (s *Store) create(ctx context.Context, r *Record) error {
	secret, err := r.secret("createdAt")
	if err != nil {
		return err
	}
	return s.send(ctx, "create", r, secret, func() (*corev1.Secret, error) {
		return s.client.CoreV1().Secrets(r.Namespace).Create(ctx, secret, metav1.CreateOptions{})
	})
}

// send writes a record's Secret when it is its turn, and takes note of how it is stored.
func (s *Store) send(ctx context.Context, verb string, r *Record, secret *corev1.Secret, write func() (*corev1.Secret, error)) error {
	end, err := s.turn(ctx)
	if err != nil {
		return failed(verb, r, err)
	}
	defer end()
	wrote := s.known.writing(r.Namespace, secret.Name)
	written, err := write()
	if err != nil {
		wrote("")
		return failed(verb, r, err)
	}
	wrote(written.ResourceVersion)
	r.body, r.Left, r.version, r.created = secret.Data[keyRelease], secret.Data[keyLeft], written.ResourceVersion, written.CreationTimestamp.Time
	return nil
}

// Check reports why a new record could not be stored: it is too large, or, with ask, the API
// server refuses it in a dry-run. It writes nothing. A namespace that does not exist yet is not
// an error.
func (s *Store) Check(ctx context.Context, r *Record, ask bool) error {
	if !ask && r.small() {
		return nil
	}
	secret, err := r.secret("createdAt")
	if err != nil || !ask {
		return err
	}
	end, err := s.turn(ctx)
	if err != nil {
		return failed("create", r, err)
	}
	defer end()
	_, err = s.client.CoreV1().Secrets(r.Namespace).Create(ctx, secret, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err == nil || apierrors.IsNotFound(err) || apierrors.IsAlreadyExists(err) {
		return nil
	}
	return failed("create", r, err)
}

// A Change is made to a record in the write that concludes it.
type Change func(*Record)

// WithLeft stores with a record the hashes of its objects after the rollout.
func WithLeft(left []byte) Change { return func(r *Record) { r.Left = left } }

// ForgetHooks forgets which hooks ran.
func ForgetHooks(r *Record) { r.HookEvent, r.HooksDone = "", 0 }

// OnRequest stores the ID of the request for which the record is written.
func OnRequest(id string) Change { return func(r *Record) { r.Request = id } }

// BeforeObjects says that a rollout ended before it applied any object.
func BeforeObjects(r *Record) { r.Untouched = true }

// Finish stores how a rollout ended: the record's outcome, Helm's status and the description
// that helm history shows. r changes only after that is stored. A record that somebody deleted
// meanwhile is created again, since it says what is in the cluster, unless the release is
// uninstalled.
func (s *Store) Finish(ctx context.Context, r *Record, o Outcome, status release.Status, description string, changes ...Change) error {
	if err := s.Load(ctx, r); err != nil {
		return err
	}
	err := s.update(ctx, r, status != release.StatusUninstalled, func(next *Record, rel *release.Release) {
		next.Outcome, next.Status, next.about = o, status, nil
		for _, change := range changes {
			change(next)
		}
		if status == release.StatusUninstalling || status == release.StatusUninstalled {
			rel.Info.Deleted = helmtime.Now()
		}
		rel.SetStatus(status, bounded(description))
	})
	if errors.Is(err, ErrGone) && status == release.StatusUninstalled {
		return nil
	}
	return err
}

// Supersede marks a record as a former good one, and drops its body. One that is gone,
// with its namespace perhaps, or damaged, is left as it is.
func (s *Store) Supersede(ctx context.Context, r *Record) error {
	err := s.Load(ctx, r)
	for try := 0; err == nil && r.Status != release.StatusSuperseded; try++ {
		err = s.update(ctx, r, false, func(next *Record, rel *release.Release) {
			next.Status = release.StatusSuperseded
			rel.Info.Status = release.StatusSuperseded
		})
		if errors.Is(err, ErrChanged) && try < maxTries {
			err = nil // somebody else did it, or it is done to what is stored now
		}
	}
	if err != nil && !Unreadable(err) {
		return err
	}
	r.slim()
	return nil
}

// maxTries bounds how often a write is tried that others' writes come before.
const maxTries = 3

// update stores a record as change leaves it, which is made to a copy: the record is what
// it was until it is stored. One that is gone is stored anew if again says so, and is
// ErrGone otherwise. One that somebody else changed is ErrChanged, unless it says the same.
func (s *Store) update(ctx context.Context, r *Record, again bool, change func(next *Record, rel *release.Release)) error {
	for try := 0; ; try++ {
		rel, err := r.Release()
		if err != nil {
			return err
		}
		next := r.copyOf(rel)
		change(next, next.decoded)
		err = s.replace(ctx, next)
		if apierrors.IsNotFound(err) {
			if !again {
				return r.deleted()
			}
			if err = s.create(ctx, next); apierrors.IsNotFound(err) {
				return r.deleted() // with its namespace
			}
			again = false
		}
		if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
			if err = s.reread(ctx, r, err); err == nil && try < maxTries {
				continue
			}
		}
		if err == nil {
			*r = *next
		}
		return err
	}
}

func (s *Store) replace(ctx context.Context, next *Record) error {
	secret, err := next.secret("modifiedAt")
	if err != nil {
		return err
	}
	secret.ResourceVersion = next.version
	return s.send(ctx, "update", next, secret, func() (*corev1.Secret, error) {
		return s.client.CoreV1().Secrets(next.Namespace).Update(ctx, secret, metav1.UpdateOptions{})
	})
}

// reread makes a record what is stored, since it is not what it was when it was read. It
// returns nil if that says the same: somebody gave the Secret a label.
func (s *Store) reread(ctx context.Context, r *Record, conflict error) error {
	fresh, err := s.fetch(ctx, r)
	if err != nil {
		return err
	}
	same := bytes.Equal(fresh.body, r.body) && fresh.Status == r.Status && fresh.Outcome == r.Outcome &&
		fresh.Digest == r.Digest && fresh.HookEvent == r.HookEvent && fresh.HooksDone == r.HooksDone
	*r = *fresh
	if same {
		return nil
	}
	return fmt.Errorf("update release record %s/%s: %w: %w", r.Namespace, r.key(), ErrChanged, conflict)
}

// copyOf returns a copy that can be changed without changing the record.
func (r *Record) copyOf(rel *release.Release) *Record {
	next, decoded, info := *r, *rel, *rel.Info
	decoded.Info, decoded.Hooks = &info, slices.Clone(rel.Hooks)
	next.decoded = &decoded
	return &next
}

// HookRan stores that the nth hook of an event has ended, so that it does not run again after
// an interruption, and helm status shows it.
func (s *Store) HookRan(ctx context.Context, r *Record, event string, n int, h manifest.Hook, started, ended time.Time, failed bool) error {
	phase := release.HookPhaseSucceeded
	if failed {
		phase = release.HookPhaseFailed
	}
	return s.update(ctx, r, true, func(next *Record, rel *release.Release) {
		for i, hook := range rel.Hooks {
			if hook.Name == h.GetName() && hook.Kind == h.GetKind() {
				ran := *hook
				ran.LastRun = release.HookExecution{StartedAt: helmtime.Time{Time: started}, CompletedAt: helmtime.Time{Time: ended}, Phase: phase}
				rel.Hooks[i] = &ran
			}
		}
		if !failed {
			next.HookEvent, next.HooksDone = event, n
		}
	})
}

// Hold stores that a rollout's deadline is stopped since a time, or, if that is zero, that it
// runs again.
func (s *Store) Hold(ctx context.Context, r *Record, deadline, since time.Time) error {
	return s.update(ctx, r, true, func(next *Record, _ *release.Release) {
		next.Deadline, next.HeldSince = deadline, since
	})
}

// Trim deletes the expendable records of a history beyond keep, and returns the others, with
// those that could not be deleted.
func (s *Store) Trim(ctx context.Context, h History, keep int) (History, error) {
	for _, r := range Expendable(h, keep) {
		if err := s.Delete(ctx, r); err != nil {
			return h, err
		}
		h = h.Without(r)
	}
	return h, nil
}

// Delete removes a record; one that is gone already is no error.
func (s *Store) Delete(ctx context.Context, r *Record) error {
	wrote := s.known.writing(r.Namespace, r.key())
	err := s.client.CoreV1().Secrets(r.Namespace).Delete(ctx, r.key(), metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		wrote("")
		return failed("delete", r, err)
	}
	wrote(deletedByUs)
	return nil
}

// errNoRecord says that what has a record's name has none of its marks.
var errNoRecord = errors.New("its Secret has lost the labels of a record")
