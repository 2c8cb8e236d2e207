// Package docs holds what of the documentation the program serves itself. It knows
// nothing of the program.
package docs

import _ "embed"

// OpenAPI describes the read API.
//
//go:embed openapi.yaml
var OpenAPI []byte
