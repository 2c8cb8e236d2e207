package main

import (
	"context"
	"fmt"
	"os"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// provisioner is the name by which the storage class asks for volumes.
const provisioner = "kwok.x-k8s.io/volume"

// provision stands in for a storage driver until ctx ends: each claim that the
// scheduler has given a node gets a volume, and a volume that its claim has left
// is deleted. Nothing is ever stored on it.
func provision(ctx context.Context, kube kubernetes.Interface) {
	factory := informers.NewSharedInformerFactory(kube, 0)
	claims := factory.Core().V1().PersistentVolumeClaims().Informer()
	volumes := factory.Core().V1().PersistentVolumes().Informer()
	on(claims, func(o any) error { return provide(ctx, kube, o.(*corev1.PersistentVolumeClaim)) })
	on(volumes, func(o any) error { return reclaim(ctx, kube, o.(*corev1.PersistentVolume)) })
	factory.Start(ctx.Done())
}

func on(informer cache.SharedIndexInformer, act func(any) error) {
	say := func(o any) {
		if err := act(o); err != nil {
			fmt.Fprintf(os.Stderr, "volumes: %v\n", err)
		}
	}
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: say, UpdateFunc: func(_, o any) { say(o) },
	})
	if err != nil {
		panic(err) // only for an informer that was stopped
	}
}

func provide(ctx context.Context, kube kubernetes.Interface, claim *corev1.PersistentVolumeClaim) error {
	annotations := claim.Annotations
	if claim.Spec.VolumeName != "" || claim.DeletionTimestamp != nil ||
		annotations["volume.kubernetes.io/storage-provisioner"] != provisioner ||
		annotations["volume.kubernetes.io/selected-node"] == "" {
		return nil
	}
	volume := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{
			Name:        "pvc-" + string(claim.UID),
			Annotations: map[string]string{"pv.kubernetes.io/provisioned-by": provisioner},
		},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:                      claim.Spec.Resources.Requests,
			AccessModes:                   claim.Spec.AccessModes,
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimDelete,
			StorageClassName:              *claim.Spec.StorageClassName,
			PersistentVolumeSource:        corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/var/empty"}},
			ClaimRef: &corev1.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim",
				Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
		},
	}
	_, err := kube.CoreV1().PersistentVolumes().Create(ctx, volume, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

func reclaim(ctx context.Context, kube kubernetes.Interface, volume *corev1.PersistentVolume) error {
	if volume.Status.Phase != corev1.VolumeReleased || volume.DeletionTimestamp != nil ||
		volume.Annotations["pv.kubernetes.io/provisioned-by"] != provisioner {
		return nil
	}
	err := kube.CoreV1().PersistentVolumes().Delete(ctx, volume.Name, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
