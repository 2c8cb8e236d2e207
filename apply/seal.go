package apply

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/apply/ownership"
)

// The Secret in the agent's namespace with the key by which the agent knows its own records.
const (
	sealName = "tether.seal"
	sealKey  = "key"
	sealSize = 32
)

// Seal has the records of the environment sealed with the agent's key, which is made if
// there is none yet.
func Seal(ctx context.Context, c *Cluster, namespace string) error {
	key, err := readSeal(ctx, c, namespace)
	if apierrors.IsNotFound(err) {
		fresh := make([]byte, sealSize)
		_, _ = rand.Read(fresh) // never fails
		_, err = c.Typed.CoreV1().Secrets(namespace).Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: sealName, Labels: map[string]string{ownership.LabelManagedBy: ownership.FieldManager}},
			Data:       map[string][]byte{sealKey: fresh},
		}, metav1.CreateOptions{FieldManager: ownership.FieldManager})
		if err == nil || apierrors.IsAlreadyExists(err) { // another environment's leader was faster
			key, err = readSeal(ctx, c, namespace)
		}
	}
	if err != nil {
		return fmt.Errorf("the key by which the agent knows its own records, Secret %s/%s: %w", namespace, sealName, err)
	}
	c.Records.Seal(c.Environment, key)
	return nil
}

// KnowSeal has records be told apart by their seal for who may read the key; for others
// they are what they say.
func KnowSeal(ctx context.Context, c *Cluster, namespace string) {
	if key, err := readSeal(ctx, c, namespace); err == nil {
		c.Records.Seal(c.Environment, key)
	}
}

// DeriveKey returns a key of 32 bytes for a purpose, made of the agent's own: who has one
// knows neither that nor the keys for other purposes. It is an error while no agent has led
// an environment of the namespace.
func DeriveKey(ctx context.Context, c *Cluster, namespace, purpose string) ([]byte, error) {
	key, err := readSeal(ctx, c, namespace)
	if err != nil {
		return nil, err
	}
	return hkdf.Key(sha256.New, key, nil, purpose, sha256.Size)
}

func readSeal(ctx context.Context, c *Cluster, namespace string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, kube.RequestTimeout)
	defer cancel()
	secret, err := c.Typed.CoreV1().Secrets(namespace).Get(ctx, sealName, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	if len(secret.Data[sealKey]) < sealSize {
		return nil, fmt.Errorf("it holds no key of %d bytes: delete it, and the agent makes a new one", sealSize)
	}
	return secret.Data[sealKey], nil
}
