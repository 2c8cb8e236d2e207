package record

import (
	"maps"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// secret encodes a record as Helm does; stamp is the label that holds the time.
func (r *Record) secret(stamp string) (*corev1.Secret, error) {
	body, err := r.encoded()
	if err != nil {
		return nil, err
	}
	data := map[string][]byte{keyRelease: body}
	if len(r.Left) > 0 && len(body)+len(r.Left) <= corev1.MaxSecretSize {
		data[keyLeft] = r.Left // else all is dry-run after a restart
	}
	if r.Ours() && r.seals.key != nil && !r.strange {
		r.seal = sealOf(r.seals.key, sealedAbout(r), r.decoded)
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: r.key(), Namespace: r.Namespace, Labels: r.allLabels(stamp)},
		Type:       secretType,
		Data:       data,
	}, nil
}

// roomToConclude is what a record may grow by until it is concluded: its description, and
// when its hooks ran.
const roomToConclude = 16 << 10

// encoded returns the record's body as it is to be stored. A new one that does not fit
// into a Secret goes without the chart's defaults, which are in git.
func (r *Record) encoded() ([]byte, error) {
	if r.body != nil {
		body, err := amend(r.body, r.decoded)
		if err == nil && len(body) > corev1.MaxSecretSize {
			err = &TooLargeError{Namespace: r.Namespace, Release: r.Name, Size: len(body), Limit: corev1.MaxSecretSize}
		}
		return body, err
	}
	const limit = corev1.MaxSecretSize - roomToConclude
	body, err := encode(r.decoded)
	if err == nil && len(body) > limit && r.decoded.Chart.Values != nil {
		r.decoded.Chart.Values = nil
		body, err = encode(r.decoded)
	}
	if err == nil && len(body) > limit {
		err = &TooLargeError{Namespace: r.Namespace, Release: r.Name, Size: len(body), Limit: limit}
	}
	return body, err
}

// small reports whether a new record is sure to fit: compressed, it takes no more than
// its texts, and a third for base64.
func (r *Record) small() bool {
	size := len(r.decoded.Manifest) + len(r.decoded.Info.Notes)
	for _, h := range r.decoded.Hooks {
		size += len(h.Manifest)
	}
	return size+sizeOf(r.decoded.Config)+sizeOf(r.decoded.Chart.Values) < corev1.MaxSecretSize/2
}

// sizeOf is how many bytes values take as text, roughly.
func sizeOf(v any) int {
	size := 16
	switch v := v.(type) {
	case string:
		size += len(v)
	case map[string]any:
		for k, e := range v {
			size += len(k) + sizeOf(e)
		}
	case []any:
		for _, e := range v {
			size += sizeOf(e)
		}
	}
	return size
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
	if r.FirstRevision > 0 {
		labels[labelFirst] = strconv.Itoa(r.FirstRevision)
	}
	if !r.Deadline.IsZero() {
		labels[labelDeadline] = strconv.FormatInt(r.Deadline.Unix(), 10)
	}
	if !r.HeldSince.IsZero() && r.Outcome == Pending {
		labels[labelHeld] = strconv.FormatInt(r.HeldSince.Unix(), 10)
	}
	if r.Untouched {
		labels[labelUntouched] = "true"
	}
	if r.Plain {
		labels[labelPlain] = "true"
	}
	if r.seal != "" {
		labels[labelSeal] = r.seal
	}
	if r.Request != "" {
		labels[labelRequest] = r.Request
	}
	return labels
}
