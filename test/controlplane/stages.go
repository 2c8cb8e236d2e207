package main

import (
	"fmt"
	"strings"

	nodefast "sigs.k8s.io/kwok/kustomize/stage/node/fast"
	heartbeat "sigs.k8s.io/kwok/kustomize/stage/node/heartbeat-with-lease"
	podfast "sigs.k8s.io/kwok/kustomize/stage/pod/fast"
)

// special are the words in an image's tag by which a pod fails, or is slow.
var special = []string{"imagepullbackoff", "crashloop", "configerror", "recovers", "neverready", "slow", "jobfail"}

// tagged is a jq expression on a pod: one of its images carries the word.
func tagged(word string) string {
	return fmt.Sprintf(`([(.spec.containers[]?, .spec.initContainers[]?) | .image | contains("%s")] | any)`, word)
}

func untagged(words ...string) []string {
	var out []string
	for _, w := range words {
		out = append(out, tagged(w)+" | not")
	}
	return out
}

const (
	living   = `.metadata.deletionTimestamp == null`
	pending  = `(.status.phase // "Pending") == "Pending"`
	running  = `.status.phase == "Running"`
	ofJob    = `[.metadata.ownerReferences[]? | .kind == "Job"] | any`
	fresh    = `(.status.containerStatuses // []) == []`
	waits    = `[.status.containerStatuses[]? | .state.waiting != null] | any`
	ready    = `[.status.containerStatuses[]? | .ready] | any`
	crashed  = `[.status.containerStatuses[]? | .state.waiting != null and .restartCount < 5] | any`
	stageDoc = `---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata:
  name: %s
spec:
  resourceRef: {apiGroup: v1, kind: %s}
  selector:
    matchExpressions:
%s%s  next:
    %s
`
)

// podStage is one step of a pod's life.
func podStage(name string, delayMillis int, when []string, statusTemplate string) string {
	delay := ""
	if delayMillis > 0 {
		delay = fmt.Sprintf("  delay: {durationMilliseconds: %d}\n", delayMillis)
	}
	return fmt.Sprintf(stageDoc, name, "Pod", conditions(when), delay, "statusTemplate: |\n"+indent(statusTemplate, 6))
}

func conditions(when []string) string {
	var b strings.Builder
	for _, w := range when {
		fmt.Fprintf(&b, "    - {key: %q, operator: In, values: [\"true\"]}\n", w)
	}
	return b.String()
}

func indent(text string, n int) string {
	pad := strings.Repeat(" ", n)
	return pad + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n"+pad)
}

// podStatus is the status of a pod whose containers are all alike. state is the
// template of one container's state, last that of its former one. Its address is
// given once: a second one would be added to the first.
func podStatus(phase, ready, initialized, restarts, state, last string) string {
	started := "true"
	if strings.Contains(state, "waiting") {
		started = "false"
	}
	return fmt.Sprintf(`
{{ $now := Now }}
{{ $root := . }}
conditions:
- {type: Initialized, status: "%s", lastTransitionTime: {{ $now | Quote }}}
- {type: Ready, status: "%s", lastTransitionTime: {{ $now | Quote }}}
- {type: ContainersReady, status: "%s", lastTransitionTime: {{ $now | Quote }}}
containerStatuses:
{{ range $i, $c := .spec.containers }}
- image: {{ $c.image | Quote }}
  name: {{ $c.name | Quote }}
  ready: %s
  started: %s
  restartCount: %s
  state: %s
  lastState: %s
{{ end }}
initContainerStatuses:
{{ range .spec.initContainers }}
- image: {{ .image | Quote }}
  name: {{ .name | Quote }}
  ready: true
  restartCount: 0
  state: {terminated: {exitCode: 0, reason: Completed, startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }}}}
{{ end }}
{{ if not .status.podIP }}
{{ with NodeIPsWith .spec.nodeName }}
hostIP: {{ index . 0 | Quote }}
{{ end }}
{{ with PodIPsWith .spec.nodeName ( or .spec.hostNetwork false ) ( or .metadata.uid "" ) ( or .metadata.name "" ) ( or .metadata.namespace "" ) }}
podIP: {{ index . 0 | Quote }}
podIPs:
{{ range . }}
- ip: {{ . | Quote }}
{{ end }}
{{ end }}
{{ end }}
phase: %s
startTime: {{ $now | Quote }}
`, initialized, strings.Title(ready), strings.Title(ready), ready, started, restarts, state, last, phase) //nolint:staticcheck // ASCII words
}

const (
	runs    = `{running: {startedAt: {{ $now | Quote }}}}`
	none    = `{}`
	pulls   = `{waiting: {reason: ImagePullBackOff, message: {{ printf "Back-off pulling image \"%s\"" $c.image | Quote }}}}`
	loops   = `{waiting: {reason: CrashLoopBackOff, message: {{ printf "back-off restarting failed container %s in pod %s" $c.name $root.metadata.name | Quote }}}}`
	refuses = `{waiting: {reason: CreateContainerConfigError, message: "secret \"missing\" not found"}}`
	exited  = `{terminated: {exitCode: 1, reason: Error, startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }}}}`
	finish  = `{terminated: {exitCode: 0, reason: Completed, startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }}}}`
	counted = `{{ with $root.status.containerStatuses }}{{ add1 (index . 0).restartCount }}{{ else }}1{{ end }}`
)

// stages is KWOK's whole configuration: nodes and deletion as KWOK has them, pods
// and volumes as the tags of images say.
func stages() []byte {
	docs := []string{
		nodefast.DefaultNodeInit, heartbeat.DefaultNodeHeartbeatWithLease, podfast.DefaultPodDelete,
		podStage("pod-ready", 0, append([]string{living, pending, fresh}, untagged("imagepullbackoff", "crashloop", "configerror", "recovers", "neverready", "slow")...),
			podStatus("Running", "true", "True", "0", runs, none)),
		podStage("pod-ready-slow", 5000, []string{living, pending, fresh, tagged("slow")},
			podStatus("Running", "true", "True", "0", runs, none)),
		podStage("pod-image-pull-back-off", 0, []string{living, pending, fresh, tagged("imagepullbackoff")},
			podStatus("Pending", "false", "True", "0", pulls, none)),
		podStage("pod-crash-loop", 0, []string{living, pending, fresh, tagged("crashloop")},
			podStatus("Running", "false", "True", "1", loops, exited)),
		podStage("pod-crash-loop-again", 10000, []string{living, running, crashed, tagged("crashloop")},
			podStatus("Running", "false", "True", counted, loops, exited)),
		podStage("pod-config-error", 0, []string{living, pending, fresh, tagged("configerror")},
			podStatus("Pending", "false", "True", "0", refuses, none)),
		podStage("pod-crash-once", 0, []string{living, pending, fresh, tagged("recovers")},
			podStatus("Running", "false", "True", "1", loops, exited)),
		podStage("pod-recover", 5000, []string{living, running, waits, tagged("recovers")},
			podStatus("Running", "true", "True", "1", runs, exited)),
		podStage("pod-complete-recovered", 0, []string{living, running, ready, ofJob, tagged("recovers")},
			podStatus("Succeeded", "false", "True", "1", finish, exited)),
		podStage("pod-never-ready", 0, []string{living, pending, fresh, tagged("neverready")},
			podStatus("Running", "false", "True", "0", runs, none)),
		podStage("pod-complete", 0, append([]string{living, running, ofJob}, untagged("jobfail", "neverready", "crashloop", "recovers")...),
			podStatus("Succeeded", "false", "True", "0", finish, none)),
		podStage("pod-fail", 0, []string{living, running, ofJob, tagged("jobfail")},
			podStatus("Failed", "false", "True", "0", exited, none)),
	}
	return []byte(strings.Join(docs, "\n---\n"))
}
