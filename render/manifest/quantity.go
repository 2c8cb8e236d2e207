package manifest

import (
	"errors"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
)

// The bounds of a quantity that is read: what no cluster has costs the library minutes, and
// gigabytes, since it writes numbers such as 1e-2000000000 out.
const (
	maxQuantity = 64
	maxExponent = 100
)

var errQuantity = errors.New("it is no quantity that a cluster has")

// NoClusterHas reports whether a quantity was not read because no cluster has one like it.
func NoClusterHas(err error) bool { return errors.Is(err, errQuantity) }

// Quantity reads what a chart, or the cluster, says that something has of a resource.
func Quantity(text string) (resource.Quantity, error) {
	if at := strings.LastIndexAny(text, "eE"); at >= 0 && at+1 < len(text) && text[at+1:] != "i" { // E and Ei are units
		if n, err := strconv.Atoi(text[at+1:]); err != nil || n < -maxExponent || n > maxExponent {
			return resource.Quantity{}, errQuantity
		}
	}
	if len(text) > maxQuantity {
		return resource.Quantity{}, errQuantity
	}
	return resource.ParseQuantity(text)
}
