package main

import (
	"github.com/xetys/tether/apply"
)

// cluster opens the cluster for reading one environment.
func (s *shared) cluster(environment string) (*apply.Cluster, error) {
	config, err := s.config()
	if err != nil {
		return nil, err
	}
	return apply.Connect(config, environment, apply.Options{})
}
