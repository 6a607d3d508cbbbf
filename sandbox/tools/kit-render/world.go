package main

import (
	"context"
	"sort"
	"sync"

	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/releaseutil"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// lookup is one object that a template asked the cluster for; an empty name asks for a list.
type lookup struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name,omitempty"`
	Found      bool   `json:"found"`
}

// world answers `lookup` from objects the caller gave, and remembers the questions.
type world struct {
	mu      sync.Mutex
	objects []map[string]any
	seen    map[lookup]bool
}

func newWorld(objects []map[string]any) *world {
	return &world{objects: objects, seen: map[lookup]bool{}}
}

func (w *world) asked() []lookup {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []lookup
	for question := range w.seen {
		all = append(all, question)
	}
	key := func(l lookup) string { return l.APIVersion + "\n" + l.Kind + "\n" + l.Namespace + "\n" + l.Name }
	sort.Slice(all, func(i, j int) bool { return key(all[i]) < key(all[j]) })
	return all
}

// GetClientFor is Helm's door to the cluster. Every kind counts as namespaced: an empty namespace
// in the question matches objects without one.
func (w *world) GetClientFor(apiVersion, kind string) (dynamic.NamespaceableResourceInterface, bool, error) {
	return &shelf{world: w, apiVersion: apiVersion, kind: kind}, true, nil
}

// shelf holds the objects of one kind. What is not overridden is never called by `lookup`.
type shelf struct {
	dynamic.NamespaceableResourceInterface
	world      *world
	apiVersion string
	kind       string
	namespace  string
}

func (s *shelf) Namespace(namespace string) dynamic.ResourceInterface {
	inner := *s
	inner.namespace = namespace
	return &inner
}

func (s *shelf) matching(name string) []unstructured.Unstructured {
	var found []unstructured.Unstructured
	for _, object := range s.world.objects {
		item := unstructured.Unstructured{Object: object}
		fits := item.GetAPIVersion() == s.apiVersion && item.GetKind() == s.kind &&
			(name == "" || item.GetName() == name) &&
			(s.namespace == "" || item.GetNamespace() == "" || item.GetNamespace() == s.namespace)
		if fits {
			found = append(found, *item.DeepCopy())
		}
	}
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	question := lookup{APIVersion: s.apiVersion, Kind: s.kind, Namespace: s.namespace, Name: name, Found: len(found) > 0}
	s.world.seen[question] = true
	return found
}

func (s *shelf) Get(_ context.Context, name string, _ metav1.GetOptions, _ ...string) (*unstructured.Unstructured, error) {
	if found := s.matching(name); len(found) > 0 {
		return &found[0], nil
	}
	return nil, apierrors.NewNotFound(schema.GroupResource{Resource: s.kind}, name)
}

func (s *shelf) List(_ context.Context, _ metav1.ListOptions) (*unstructured.UnstructuredList, error) {
	list := &unstructured.UnstructuredList{Object: map[string]any{"apiVersion": s.apiVersion, "kind": s.kind + "List"}}
	list.Items = s.matching("")
	return list, nil
}

func sortManifests(files map[string]string) ([]*release.Hook, []releaseutil.Manifest, error) {
	return releaseutil.SortManifests(files, chartutil.DefaultVersionSet, releaseutil.InstallOrder)
}
