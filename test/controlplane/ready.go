package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// startTimeout is generous: a loaded machine with two cores takes half a minute.
const startTimeout = 2 * time.Minute

// poll tries a condition until it holds; the last error says what was missing.
func poll(ctx context.Context, what string, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w (%w)", what, err, context.Cause(ctx))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// awaitServer waits until the API server answers.
func (p *plan) awaitServer(ctx context.Context) error {
	return poll(ctx, "the API server", func(ctx context.Context) error {
		if _, err := os.Stat(p.o.path("certs/apiserver.crt")); err != nil {
			return err
		}
		if err := p.writeKubeconfig(); err != nil {
			return err
		}
		kube, err := p.client()
		if err != nil {
			return err
		}
		return kube.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	})
}

func (p *plan) client() (kubernetes.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", p.o.kubeconfig())
	if err != nil {
		return nil, err
	}
	config.Timeout = 10 * time.Second
	return kubernetes.NewForConfig(config)
}

// awaitReady adds the nodes and the storage class, and waits until pods can run.
func (p *plan) awaitReady(ctx context.Context, kube kubernetes.Interface) error {
	if err := p.furnish(ctx, kube); err != nil {
		return err
	}
	if err := poll(ctx, "the nodes", func(ctx context.Context) error { return nodesReady(ctx, kube, p.o.nodes) }); err != nil {
		return err
	}
	return poll(ctx, "the default service account", func(ctx context.Context) error {
		_, err := kube.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		return err
	})
}

func (p *plan) furnish(ctx context.Context, kube kubernetes.Interface) error {
	wait := storagev1.VolumeBindingWaitForFirstConsumer
	remove := corev1.PersistentVolumeReclaimDelete
	class := &storagev1.StorageClass{
		ObjectMeta:  metav1.ObjectMeta{Name: "standard", Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"}},
		Provisioner: provisioner, VolumeBindingMode: &wait, ReclaimPolicy: &remove,
	}
	if _, err := kube.StorageV1().StorageClasses().Create(ctx, class, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("add the storage class: %w", err)
	}
	for i := range p.o.nodes {
		if _, err := kube.CoreV1().Nodes().Create(ctx, node(i), metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("add a node: %w", err)
		}
	}
	return nil
}

func node(i int) *corev1.Node {
	name := fmt.Sprintf("node-%d", i)
	large := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("1000"), corev1.ResourceMemory: resource.MustParse("4Ti"),
		corev1.ResourcePods: resource.MustParse("20000"), corev1.ResourceEphemeralStorage: resource.MustParse("100Ti"),
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name:        name,
			Annotations: map[string]string{"kwok.x-k8s.io/node": "fake", "node.alpha.kubernetes.io/ttl": "0"},
			Labels: map[string]string{
				"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
				"topology.kubernetes.io/zone": fmt.Sprintf("zone-%d", i%3), "type": "kwok",
			},
		},
		Status: corev1.NodeStatus{Allocatable: large, Capacity: large},
	}
}

func nodesReady(ctx context.Context, kube kubernetes.Interface, want int) error {
	list, err := kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	ready := 0
	for _, n := range list.Items {
		for _, c := range n.Status.Conditions {
			if c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue && len(n.Spec.Taints) == 0 {
				ready++
			}
		}
	}
	if ready < want {
		return errors.New("not all are ready")
	}
	return nil
}
