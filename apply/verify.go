package apply

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"

	"github.com/xetys/tether/render/manifest"
)

// VerifyError says that a release is healthy by its objects, and does not do what
// its checks ask for. It wraps nothing: the network's troubles on the way are the
// release's own.
type VerifyError struct {
	Check   manifest.Check
	Reason  string
	Timeout time.Duration
}

// Error names the check and what was wrong last.
func (e *VerifyError) Error() string {
	return fmt.Sprintf("verify %s: %s (tried for %s)", e.Check, e.Reason, e.Timeout)
}

// The pauses between tries of a check.
const (
	firstPause   = 250 * time.Millisecond
	longestPause = 5 * time.Second
)

// Verify tries a release's checks, one after the other, each until it passes; all
// of them together have the timeout. progress is as in WaitFor.
func (c *Cluster) Verify(ctx context.Context, rel Owner, hooks []manifest.Hook, checks []manifest.Check, timeout time.Duration, progress func([]Health)) error {
	deadline := time.Now().Add(timeout)
	for _, check := range checks {
		var last error
		for pause := firstPause; ; pause = min(2*pause, longestPause) {
			err := c.check(ctx, rel, hooks, check, time.Until(deadline))
			if err == nil {
				break
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			left := time.Until(deadline)
			if last == nil || left > 0 { // else the deadline may have cut the try short
				last = err
			}
			if left <= 0 {
				return &VerifyError{Check: check, Reason: last.Error(), Timeout: timeout}
			}
			if progress != nil {
				progress([]Health{{ID: manifest.ID{Kind: "Check", Name: check.String()}, State: Progressing, Reason: err.Error()}})
			}
			select {
			case <-time.After(min(pause, left)): // the last try is at the deadline
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
	return nil
}

func (c *Cluster) check(ctx context.Context, rel Owner, hooks []manifest.Hook, check manifest.Check, left time.Duration) error {
	if check.Test {
		return c.RunHooks(ctx, rel, hooks, HookRun{Event: Test, Timeout: left})
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	ask := c.askURL
	if check.Service != nil {
		ask = c.askService
	}
	status, body, err := ask(ctx, rel.Namespace, check)
	if err != nil {
		return err
	}
	return check.Judge(status, body)
}

// longestBody bounds what is read of an answer.
const longestBody = 1 << 20

func (c *Cluster) askURL(ctx context.Context, _ string, check manifest.Check) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, check.URL, nil)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("User-Agent", FieldManager)
	client := http.Client{}
	if check.Status/100 == 3 {
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	res, err := client.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // the URL is named already
		}
		return 0, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, longestBody))
	return res.StatusCode, body, err
}

// askService asks a Service through the API server's proxy
// (https://kubernetes.io/docs/tasks/access-application-cluster/access-cluster-services/).
func (c *Cluster) askService(ctx context.Context, namespace string, check manifest.Check) (int, []byte, error) {
	s := check.Service
	path, query, _ := strings.Cut(s.Path, "?")
	req := c.kube.CoreV1().RESTClient().Get().Namespace(namespace).Resource("services").
		Name(utilnet.JoinSchemeNamePort(s.Scheme, s.Name, s.Port)).SubResource("proxy").Suffix(path)
	if values, err := url.ParseQuery(query); err == nil {
		for k, vs := range values {
			for _, v := range vs {
				req = req.Param(k, v)
			}
		}
	}
	status := 0
	res := req.Do(ctx).StatusCode(&status)
	body, _ := res.Raw() // its error knows less than Error
	err := res.Error()
	if status == 0 && err != nil {
		return 0, nil, err
	}
	if err != nil && status != check.Status && ofServer(err) {
		return 0, nil, fmt.Errorf("it answered %d, not %d: %w", status, check.Status, err)
	}
	return status, body, nil
}

// ofServer reports whether an error is the API server's own word, and not what
// the Service answered.
func ofServer(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && !apierrors.HasStatusCause(err, metav1.CauseTypeUnexpectedServerResponse)
}
