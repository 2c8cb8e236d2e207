package config

import (
	"go.yaml.in/yaml/v3"
)

// The document's shape. Fields that are named by the documentation and not
// supported yet are known, to be refused by name.
type document struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Metadata   struct {
		Name string `yaml:"name"`
	} `yaml:"metadata"`
	Spec specDocument `yaml:"spec"`
}

type specDocument struct {
	Namespace       string            `yaml:"namespace"`
	NamespaceLabels map[string]string `yaml:"namespaceLabels"`
	Drift           string            `yaml:"drift"`
	Ignore          []ignoreDocument  `yaml:"ignore"`
	Health          yaml.Node         `yaml:"health"`
	Atomic          bool              `yaml:"atomic"`
	DeployWindows   []windowDocument  `yaml:"deployWindows"`
	PruneBudget     string            `yaml:"pruneBudget"`
	Secrets         string            `yaml:"secrets"`
	Releases        []releaseDocument `yaml:"releases"`

	Promote          *promoteDocument     `yaml:"promote"`
	Versioning       *versioningDocument  `yaml:"versioning"`
	ChartCredentials []credentialDocument `yaml:"chartCredentials"`
}

type releaseDocument struct {
	Name       string               `yaml:"name"`
	Namespace  string               `yaml:"namespace"`
	Chart      string               `yaml:"chart"`
	Version    string               `yaml:"version"`
	ValuesFrom []valuesFromDocument `yaml:"valuesFrom"`
	Values     yaml.Node            `yaml:"values"`
	Patches    []patchDocument      `yaml:"patches"`
	DependsOn  []string             `yaml:"dependsOn"`
	Timeout    string               `yaml:"timeout"`
	WaitHeld   bool                 `yaml:"waitWhileHeld"`
	OnFailure  string               `yaml:"onFailure"`
	Retries    int                  `yaml:"retries"`

	Graces gracesDocument  `yaml:"graces"`
	Verify []checkDocument `yaml:"verify"`
}
