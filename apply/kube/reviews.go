package kube

import (
	"context"
	"fmt"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/xetys/tether/apply/ownership"
)

// Reviews asks the API server who somebody is, and what they may do.
type Reviews struct{ typed kubernetes.Interface }

// NewReviews returns a Reviews. It sends no request.
func NewReviews(config *rest.Config) (*Reviews, error) {
	typed, err := kubernetes.NewForConfig(steady(config))
	if err != nil {
		return nil, fmt.Errorf("set up a client of %s: %w", config.Host, err)
	}
	return &Reviews{typed}, nil
}

// Person is who a token stands for, as the API server says.
type Person struct {
	Name, UID string
	Groups    []string
	Extra     map[string][]string
}

// WhoIs asks the API server whose a token is; nil if it is nobody's.
func (r *Reviews) WhoIs(ctx context.Context, token string) (*Person, error) {
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}
	review, err := r.typed.AuthenticationV1().TokenReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("ask the API server whose a token is: %w", err)
	}
	if !review.Status.Authenticated {
		return nil, nil
	}
	u := review.Status.User
	p := &Person{Name: u.Username, UID: u.UID, Groups: u.Groups, Extra: map[string][]string{}}
	for k, v := range u.Extra {
		p.Extra[k] = v
	}
	return p, nil
}

// MayRead asks the API server whether somebody may read environments in a namespace: one of
// them by its name, or all of them if that is empty. There are no such objects: the right
// exists only in RBAC, to get or list environments of the API group.
func (r *Reviews) MayRead(ctx context.Context, p *Person, namespace, environment string) (bool, error) {
	verb := "get"
	if environment == "" {
		verb = "list"
	}
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: p.Name, UID: p.UID, Groups: p.Groups, Extra: map[string]authorizationv1.ExtraValue{},
		ResourceAttributes: &authorizationv1.ResourceAttributes{Group: ownership.Group, Resource: "environments", Verb: verb, Namespace: namespace, Name: environment},
	}}
	for k, v := range p.Extra {
		review.Spec.Extra[k] = v
	}
	review, err := r.typed.AuthorizationV1().SubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return false, fmt.Errorf("ask the API server what %s may read: %w", p.Name, err)
	}
	return review.Status.Allowed, nil
}
