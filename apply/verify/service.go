package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"

	"github.com/xetys/tether/apply/ownership"
	"github.com/xetys/tether/render/manifest"
	"github.com/xetys/tether/source/outbound"
)

// askService asks a Service through the API server's proxy
// (https://kubernetes.io/docs/tasks/access-application-cluster/access-cluster-services/).
// That is done with the agent's own token, and a commit's author chooses the path, and the
// program behind the Service what it answers: what leads anywhere but to the Service is not
// followed, and an answer is read as far as one of a URL.
func (v *Verifier) askService(ctx context.Context, namespace string, check manifest.Check) (int, []byte, error) {
	s := check.Service
	path, query, _ := strings.Cut(s.Path, "?")
	if err := s.Within(); err != nil {
		return 0, nil, err
	}
	proxy := v.client.Typed.CoreV1().RESTClient().Get().Namespace(namespace).Resource("services").
		Name(utilnet.JoinSchemeNamePort(s.Scheme, s.Name, s.Port)).SubResource("proxy")
	if err := proxy.Error(); err != nil {
		return 0, nil, err
	}
	root := proxy.URL()
	asked := *root
	asked.Path, asked.RawQuery = strings.TrimSuffix(root.Path, "/")+path, ""
	if values, err := url.ParseQuery(query); err == nil {
		asked.RawQuery = values.Encode()
	}
	client, err := v.client.HTTP()
	if err != nil {
		return 0, nil, err
	}
	client.CheckRedirect = func(next *http.Request, via []*http.Request) error { return sameService(check, root, next, via) }
	status, body, err := get(ctx, client, asked.String())
	if err == nil && status != check.Status {
		err = ofServer(body, check.Status)
	}
	return status, body, err
}

// sameService refuses a redirect to anything but the Service, and stops at one that is what
// the check expects.
func sameService(check manifest.Check, root *url.URL, next *http.Request, via []*http.Request) error {
	from := via[len(via)-1].URL
	switch {
	case check.Status/100 == 3:
		return http.ErrUseLastResponse
	case !outbound.SameOrigin(root, next.URL) || !strings.HasPrefix(next.URL.Path, root.Path+"/") || manifest.Climbs(next.URL.Path):
		return fmt.Errorf("%s redirects to %s, which is not the Service's: it is not asked", strings.TrimPrefix(from.Path, root.Path), outbound.Address(next.URL))
	case len(via) >= maxRedirects:
		return fmt.Errorf("it redirects more than %d times", maxRedirects)
	}
	return nil
}

// get asks an address, and reads its answer as far as it is read of any.
func get(ctx context.Context, client *http.Client, address string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("User-Agent", ownership.FieldManager)
	res, err := client.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // the URL is named already
		}
		return 0, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	return res.StatusCode, body, err
}

// ofServer is an answer that is the API server's own word on the Service, and not what the
// Service answered; nil if it is not.
func ofServer(body []byte, want int) error {
	var said metav1.Status
	if json.Unmarshal(body, &said) != nil || said.Kind != "Status" || said.APIVersion != "v1" || said.Message == "" {
		return nil
	}
	return fmt.Errorf("it answered %d, not %d: %s", said.Code, want, said.Message)
}
