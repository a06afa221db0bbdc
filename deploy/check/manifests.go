package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	keda "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	psapi "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"
)

// types makes an empty object of each kind in the chart.
var types = map[string]func() metav1.Object{
	"apps/v1 Deployment":                      func() metav1.Object { return new(appsv1.Deployment) },
	"v1 Service":                              func() metav1.Object { return new(corev1.Service) },
	"v1 ServiceAccount":                       func() metav1.Object { return new(corev1.ServiceAccount) },
	"v1 ConfigMap":                            func() metav1.Object { return new(corev1.ConfigMap) },
	"v1 Pod":                                  func() metav1.Object { return new(corev1.Pod) },
	"policy/v1 PodDisruptionBudget":           func() metav1.Object { return new(policyv1.PodDisruptionBudget) },
	"networking.k8s.io/v1 NetworkPolicy":      func() metav1.Object { return new(networkingv1.NetworkPolicy) },
	"autoscaling/v2 HorizontalPodAutoscaler":  func() metav1.Object { return new(autoscalingv2.HorizontalPodAutoscaler) },
	"monitoring.coreos.com/v1 ServiceMonitor": func() metav1.Object { return new(serviceMonitor) },
	"monitoring.coreos.com/v1 PrometheusRule": func() metav1.Object { return new(prometheusRule) },
	"keda.sh/v1alpha1 ScaledObject":           func() metav1.Object { return new(keda.ScaledObject) },
	"keda.sh/v1alpha1 TriggerAuthentication":  func() metav1.Object { return new(keda.TriggerAuthentication) },
}

// Check decodes every document of a stream, and returns their kinds.
func Check(text []byte) ([]string, error) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return nil, err
	}
	var kinds []string
	var all []error
	documents := utilyaml.NewYAMLReader(newReader(text))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if len(bytes.TrimSpace(withoutComments(document))) == 0 {
			continue
		}
		kind, err := checkOne(document, evaluator)
		kinds = append(kinds, kind)
		if err != nil {
			all = append(all, fmt.Errorf("%s: %w", kind, err))
		}
	}
	if len(kinds) == 0 {
		all = append(all, errors.New("got no document, want at least one"))
	}
	slices.Sort(kinds)
	return kinds, errors.Join(all...)
}

func checkOne(document []byte, evaluator policy.Evaluator) (string, error) {
	var head metav1.TypeMeta
	if err := yaml.Unmarshal(document, &head); err != nil {
		return "", err
	}
	kind := head.APIVersion + " " + head.Kind
	empty := types[kind]
	if empty == nil {
		return kind, errors.New("this kind is not a kind that is checked: add it to types")
	}
	object := empty()
	if err := yaml.UnmarshalStrict(document, object); err != nil {
		return kind, err
	}
	var all []error
	for _, fault := range validation.IsDNS1123Subdomain(object.GetName()) {
		all = append(all, fmt.Errorf("name %q: %s", object.GetName(), fault))
	}
	for key, value := range object.GetLabels() {
		for _, fault := range append(validation.IsQualifiedName(key), validation.IsValidLabelValue(value)...) {
			all = append(all, fmt.Errorf("label %s: %q: %s", key, value, fault))
		}
	}
	all = append(all, inside(object)...)
	if meta, spec := podOf(object); spec != nil {
		all = append(all, restricted(evaluator, meta, spec)...)
	}
	return kind, errors.Join(all...)
}

// podOf returns the pod that an object makes, or nil.
func podOf(object metav1.Object) (*metav1.ObjectMeta, *corev1.PodSpec) {
	switch o := object.(type) {
	case *appsv1.Deployment:
		return &o.Spec.Template.ObjectMeta, &o.Spec.Template.Spec
	case *corev1.Pod:
		return &o.ObjectMeta, &o.Spec
	}
	return nil, nil
}

// inside returns the faults that decoding does not find.
func inside(object metav1.Object) []error {
	switch o := object.(type) {
	case *appsv1.Deployment:
		return insideDeployment(o)
	case *keda.ScaledObject:
		return []error{keda.CheckReplicaCountBoundsAreValid(o), keda.CheckFallbackValid(o)}
	}
	return nil
}

func insideDeployment(d *appsv1.Deployment) []error {
	var all []error
	for key, value := range d.Spec.Selector.MatchLabels {
		if d.Spec.Template.Labels[key] != value {
			all = append(all, fmt.Errorf("label %s: got %q on the pod, want %q as in the selector", key, d.Spec.Template.Labels[key], value))
		}
	}
	volumes := make(map[string]bool)
	for _, v := range d.Spec.Template.Spec.Volumes {
		volumes[v.Name] = true
	}
	for _, c := range d.Spec.Template.Spec.Containers {
		for _, m := range c.VolumeMounts {
			if !volumes[m.Name] {
				all = append(all, fmt.Errorf("container %s mounts %s, but there is no such volume", c.Name, m.Name))
			}
		}
		if s := c.SecurityContext; s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem {
			all = append(all, fmt.Errorf("container %s can write to its own files, want readOnlyRootFilesystem: true", c.Name))
		}
	}
	if t := d.Spec.Template.Spec.AutomountServiceAccountToken; t == nil || *t {
		all = append(all, errors.New("the pod gets a token of the cluster, want automountServiceAccountToken: false"))
	}
	return all
}

// restricted returns how a pod breaks the restricted Pod Security Standard.
func restricted(evaluator policy.Evaluator, meta *metav1.ObjectMeta, spec *corev1.PodSpec) []error {
	level := psapi.LevelVersion{Level: psapi.LevelRestricted, Version: psapi.LatestVersion()}
	var all []error
	for _, r := range evaluator.EvaluatePod(level, meta, spec) {
		if !r.Allowed {
			all = append(all, fmt.Errorf("restricted: %s: %s", r.ForbiddenReason, r.ForbiddenDetail))
		}
	}
	return all
}

func withoutComments(document []byte) []byte {
	var kept []string
	for line := range strings.Lines(string(document)) {
		if trimmed := strings.TrimSpace(line); !strings.HasPrefix(trimmed, "#") && trimmed != "---" {
			kept = append(kept, line)
		}
	}
	return []byte(strings.Join(kept, ""))
}
