// Command controlplane is a real Kubernetes control plane in one binary: etcd,
// kube-apiserver, kube-controller-manager and kube-scheduler, with KWOK beside it
// in the kubelet's place. It is for tests, benchmarks and the demo.
//
// It does not know Tether.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	manager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

// components are what the binary can be, by its first argument.
var components = map[string]func() *cobra.Command{
	"kube-apiserver":          apiserver.NewAPIServerCommand,
	"kube-controller-manager": manager.NewControllerManagerCommand,
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	"kubectl":                 kubectl.NewDefaultKubectlCommand,
}

func main() {
	if len(os.Args) > 1 {
		if os.Args[1] == "etcd" {
			etcdmain.Main(os.Args[1:])
			return
		}
		if component := components[os.Args[1]]; component != nil {
			os.Args = os.Args[1:]
			os.Exit(cli.Run(component()))
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := root().ExecuteContext(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "controlplane: %v\n", err)
		os.Exit(1)
	}
}

func root() *cobra.Command {
	root := &cobra.Command{
		Use:   "controlplane",
		Short: "A real Kubernetes control plane on this machine, for tests and demos",
		Long: `A real Kubernetes control plane on this machine: etcd, kube-apiserver,
kube-controller-manager and kube-scheduler, with KWOK in the kubelet's place.
Several can run side by side, each in a folder of its own.

  controlplane up --dir DIR --detach
  controlplane kubectl --kubeconfig DIR/kubeconfig get nodes
  controlplane down --dir DIR

Containers are not real: a pod is ready at once and a Job completes at once,
unless the tag of one of its images contains
  imagepullbackoff   it waits with ImagePullBackOff
  crashloop          it waits with CrashLoopBackOff, exit code 1
  neverready         it runs, and its readiness probe fails for ever
  slow               it is ready after five seconds
  jobfail            a Job's pod fails with exit code 1`,
		SilenceUsage: true, SilenceErrors: true,
	}
	root.AddCommand(newUp(), newSupervise(), newDown())
	return root
}
