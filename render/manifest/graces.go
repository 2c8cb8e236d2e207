package manifest

import "time"

// Graces are how long a pod may be in trouble before a rollout that waits for it
// has failed, by the kind of trouble; zero stands for the default.
type Graces struct {
	ImagePull     time.Duration // the image can't be pulled
	CrashLoop     time.Duration // a container ends again and again
	ConfigError   time.Duration // a container can't be made: a Secret or ConfigMap that it needs is missing
	Unschedulable time.Duration // no node takes the pod
}
