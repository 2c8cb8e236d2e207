package judge

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"github.com/xetys/tether/apply/health"
	"github.com/xetys/tether/apply/kube"
	"github.com/xetys/tether/apply/live"
	"github.com/xetys/tether/render/manifest"
)

func TestTheEndOfAHookThatIsGone(t *testing.T) {
	for sentence, c := range map[string]struct {
		gone string
		want health.State
	}{
		"a Job that was deleted once it completed has completed":        {`{kind: Job, apiVersion: batch/v1, metadata: {name: x, resourceVersion: "7"}, status: {conditions: [{type: Complete, status: "True"}]}}`, health.Healthy},
		"one that failed has failed":                                    {`{kind: Job, apiVersion: batch/v1, metadata: {name: x, resourceVersion: "7"}, status: {conditions: [{type: Failed, status: "True"}]}}`, health.Unhealthy},
		"one that was deleted while it ran is missing":                  {`{kind: Job, apiVersion: batch/v1, metadata: {name: x, resourceVersion: "7"}, status: {active: 1}}`, health.Missing},
		"one that was suspended, and did not run, is missing":           {`{kind: Job, apiVersion: batch/v1, metadata: {name: x, resourceVersion: "7"}, spec: {suspend: true}}`, health.Missing},
		"a Pod that succeeded has ended":                                {`{kind: Pod, apiVersion: v1, metadata: {name: x, resourceVersion: "7"}, status: {phase: Succeeded}}`, health.Healthy},
		"a Pod that was ready and ran when it was deleted is missing":   {`{kind: Pod, apiVersion: v1, metadata: {name: x, resourceVersion: "7"}, status: {phase: Running, conditions: [{type: Ready, status: "True"}]}}`, health.Missing},
		"of what is of no such kind nothing is kept, and it is missing": {`{kind: ConfigMap, apiVersion: v1, metadata: {name: x, resourceVersion: "7"}}`, health.Missing},
	} {
		t.Run(sentence, func(t *testing.T) {
			client, err := kube.NewClient(&rest.Config{Host: "http://127.0.0.1:1"}, kube.Account{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			j := New(client, live.New(client, "prod", live.Listeners{}), "prod")
			o := objectsOf(t, c.gone)[0]
			last := func(manifest.ID) *unstructured.Unstructured {
				if !o.ID().RunsToEnd() {
					return nil
				}
				return o.Unstructured
			}
			if h := j.orFinished(j.Finished, last)(o.ID()); h.State != c.want {
				t.Errorf("%s (%s), want %s", h.State, h.Reason, c.want)
			}
		})
	}
}
