package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/apply/realm"
)

// limitFlags say what environments may touch of the cluster.
type limitFlags struct{ namespaces, clusterKinds, lookupSecrets, own, accounts []string }

func (f *limitFlags) register(fl *pflag.FlagSet) {
	fl.StringArrayVar(&f.namespaces, "allow-namespaces", nil, "the namespaces that an environment may write to, as [ENVIRONMENT=]PATTERN[,PATTERN] (default: those that its environment.yaml names and no other environment does; all, if the repository has one environment)")
	fl.StringArrayVar(&f.clusterKinds, "allow-cluster-kinds", nil, "the kinds that live in no namespace of which an environment may write objects, as [ENVIRONMENT=]KIND[.GROUP][,…] with * for any (default: none; all, if the repository has one environment and --allow-namespaces does not bound it)")
	fl.StringArrayVar(&f.lookupSecrets, "allow-lookup-secrets", nil, "whose Secrets templates may look up beside those of the environment's own namespaces, as [ENVIRONMENT=]NAMESPACE[/NAME][,…]")
	fl.StringArrayVar(&f.own, "own-release", nil, "the release by which an environment keeps this agent, as ENVIRONMENT=RELEASE: it alone may lie in --namespace")
	fl.StringArrayVar(&f.accounts, "service-account", nil, "the service account in --namespace as which an environment's objects are read and written, as [ENVIRONMENT=]NAME: no commit can do what RBAC does not let it; tether rbac prints what one needs (default: the agent's own)")
}

// limits reads the flags.
func (f *limitFlags) limits() (realm.Limits, error) {
	var l realm.Limits
	for _, one := range []struct {
		flag  string
		texts []string
		to    *realm.Grants
	}{
		{"--allow-namespaces", f.namespaces, &l.Namespaces}, {"--allow-cluster-kinds", f.clusterKinds, &l.ClusterKinds},
		{"--allow-lookup-secrets", f.lookupSecrets, &l.LookupSecrets}, {"--own-release", f.own, &l.Own},
	} {
		var err error
		if *one.to, err = realm.ParseGrants(one.texts); err != nil {
			return l, usageError{fmt.Errorf("%s %w", one.flag, err)}
		}
	}
	if len(l.Own[""]) > 0 {
		return l, usageError{fmt.Errorf("--own-release %s: say which environment it is of, as ENVIRONMENT=RELEASE", l.Own[""][0])}
	}
	return l, nil
}

// serviceAccounts reads the flags that name accounts in the agent's namespace.
func (f *limitFlags) serviceAccounts(namespace string, environments []string) (kube.Accounts, error) {
	out := kube.Accounts{}
	for _, text := range f.accounts {
		environment, name, one := strings.Cut(text, "=")
		if !one {
			environment, name = "", text
		} else if !slices.Contains(environments, environment) {
			return nil, usageError{fmt.Errorf("--service-account %s: environment %s is none of those that --environment names", text, environment)}
		}
		if errs := validation.IsDNS1123Subdomain(name); len(errs) > 0 {
			return nil, usageError{fmt.Errorf("--service-account %s: %q is no name of a service account; use [ENVIRONMENT=]NAME", text, name)}
		}
		if before, taken := out[environment]; taken && before.Name != name {
			return nil, usageError{fmt.Errorf("--service-account %s: %s was named for it before", text, before.Name)}
		}
		out[environment] = kube.Account{Namespace: namespace, Name: name}
	}
	return out, nil
}
