package kube

import (
	"context"
	"crypto/rand"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/xetys/tether/apply/ownership"
)

// The Secret in the agent's namespace with the key by which the agent knows its own records.
const (
	sealName = "tether.seal"
	sealKey  = "key"
	sealSize = 32
)

// EnsureSealKey returns the key by which the agent recognises its own records. If there is none
// yet, it is created in the agent's namespace.
func (c *Connection) EnsureSealKey(ctx context.Context, namespace string) ([]byte, error) {
	key, err := c.SealKey(ctx, namespace)
	if apierrors.IsNotFound(err) {
		fresh := make([]byte, sealSize)
		_, _ = rand.Read(fresh) // never fails
		_, err = c.client.own.typed.CoreV1().Secrets(namespace).Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: sealName, Labels: map[string]string{ownership.LabelManagedBy: ownership.FieldManager}},
			Data:       map[string][]byte{sealKey: fresh},
		}, metav1.CreateOptions{FieldManager: ownership.FieldManager})
		if err == nil || apierrors.IsAlreadyExists(err) { // another environment's leader was faster
			key, err = c.SealKey(ctx, namespace)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the key by which the agent knows its own records, Secret %s/%s: %w", namespace, sealName, err)
	}
	return key, nil
}

// SealKey returns the key, if there is one and it may be read.
func (c *Connection) SealKey(ctx context.Context, namespace string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, RequestTimeout)
	defer cancel()
	secret, err := c.client.own.typed.CoreV1().Secrets(namespace).Get(ctx, sealName, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	if len(secret.Data[sealKey]) < sealSize {
		return nil, fmt.Errorf("it holds no key of %d bytes: delete it, and the agent makes a new one", sealSize)
	}
	return secret.Data[sealKey], nil
}
