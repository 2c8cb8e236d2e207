package ownership

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// OwnerOf says who owns a live object that is not in an environment's repository.
func OwnerOf(live *unstructured.Unstructured, environment string) string {
	labels, annotations := live.GetLabels(), live.GetAnnotations()
	var makers []string
	for _, m := range live.GetManagedFields() {
		if m.Subresource == "" && !slices.Contains(makers, m.Manager) {
			makers = append(makers, m.Manager)
		}
	}
	of := labels[LabelEnvironment]
	switch owners := live.GetOwnerReferences(); {
	case len(owners) > 0:
		return fmt.Sprintf("made by %s %s", owners[0].Kind, owners[0].Name)
	case of != "" && of != environment:
		return fmt.Sprintf("release %s of environment %s", annotations[AnnotRelease], of)
	case of != "":
		return fmt.Sprintf("release %s of this environment applied it; git does not render it now", annotations[AnnotRelease])
	case annotations[AnnotRelease] != "":
		return fmt.Sprintf("Helm's release %s/%s", annotations[AnnotReleaseSpace], annotations[AnnotRelease])
	case len(makers) > 0:
		return "written by " + strings.Join(makers, ", ")
	}
	return "nobody says that it is theirs"
}
