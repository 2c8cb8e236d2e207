package kube

import (
	"net/http"

	"k8s.io/client-go/rest"

	"github.com/xetys/tether/source/outbound"
)

// steady returns a configuration for clients that stay with their server.
func steady(config *rest.Config) *rest.Config {
	out := rest.CopyConfig(config)
	out.Wrap(stays)
	return out
}

// stays has no request follow an answer to another server: client-go would send it there with
// the agent's token. Behind an address of an API server a proxy may stand that wants people to
// sign in.
func stays(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		if _, err := outbound.Follow(resp, r.URL); err != nil {
			_ = resp.Body.Close() // it is not read
			return nil, err
		}
		return resp, nil
	})
}
