package worker

import (
	"fmt"
	"time"
)

// argument has a program be a worker.
const argument = "render-worker"

type operation string

const (
	load     operation = "load"
	describe operation = "describe"
	check    operation = "check"
	define   operation = "define"
	execute  operation = "render"
	alter    operation = "patch"
)

func (o operation) subject() string {
	switch o {
	case check:
		return "checking its values"
	case load, describe:
		return "reading the chart"
	case alter:
		return "applying its patches"
	}
	return "running its templates"
}

// whose is who wrote what does it.
func (o operation) whose() string {
	if o == alter {
		return "kustomize"
	}
	return "Helm"
}

func (o operation) endless(t time.Duration) string {
	return fmt.Sprintf("%s does not end within %s: look for what repeats without end", o.subject(), t)
}

func (o operation) tooBig(memory int64) string {
	return fmt.Sprintf("%s needs more than %d MiB of memory: look for what grows without end, or split the release", o.subject(), memory>>20)
}

func (o operation) tooDeep() string {
	return o.subject() + " nests too deeply: look for what includes itself"
}

func (o operation) killed() string {
	return o.subject() + " was killed by the system twice, most likely since the machine has no memory left"
}
