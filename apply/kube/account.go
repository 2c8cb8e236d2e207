package kube

import (
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
)

// Account is a service account as which an environment's objects are read and written
// (https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation):
// a commit of the environment can do no more than the account may. An empty Account means that
// the agent acts as itself.
type Account struct{ Namespace, Name string }

// Accounts are the accounts by environment; the one of "" is for every other environment.
type Accounts map[string]Account

// Of returns an environment's account.
func (a Accounts) Of(environment string) Account {
	if one, ok := a[environment]; ok {
		return one
	}
	return a[""]
}

// User is the account's name as a user. The API server adds the groups of service accounts.
func (a Account) User() string { return "system:serviceaccount:" + a.Namespace + ":" + a.Name }

// ownClients read and write what the agent keeps for itself, as itself: Leases, ledgers,
// what people ask, events about them, its keys.
type ownClients struct {
	typed    kubernetes.Interface
	unfenced kubernetes.Interface // for Leases, and for what anybody may write
	metadata metadata.Interface
}

// newOwnClients returns them, by a configuration without a fence and one with it.
func newOwnClients(open, fenced *rest.Config) (*ownClients, error) {
	var own ownClients
	var err error
	if own.unfenced, err = kubernetes.NewForConfig(typedConfig(open)); err != nil {
		return nil, err
	}
	if own.typed, err = kubernetes.NewForConfig(typedConfig(fenced)); err != nil {
		return nil, err
	}
	own.metadata, err = metadata.NewForConfig(fenced)
	return &own, err
}
