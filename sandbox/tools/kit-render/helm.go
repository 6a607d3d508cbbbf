package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/release"
	"sigs.k8s.io/yaml"
)

// helmRequest asks for one release, as `helm template` without a cluster would render it.
type helmRequest struct {
	// Chart is a folder or an archive.
	Chart string `json:"chart"`
	// Release is the release's name.
	Release string `json:"release"`
	// Namespace is the release's namespace.
	Namespace string `json:"namespace"`
	// Values go over the chart's own.
	Values map[string]any `json:"values"`
	// ValuesFiles of the chart take the place of its values.yaml, the last one first.
	ValuesFiles []string `json:"valuesFiles,omitempty"`
	// IgnoreMissingValuesFiles leaves out the values files that are not there.
	IgnoreMissingValuesFiles bool `json:"ignoreMissingValuesFiles,omitempty"`
	// KubeVersion is what the cluster says of itself; empty: the library's own.
	KubeVersion string `json:"kubeVersion,omitempty"`
	// APIVersions are served besides Kubernetes' own.
	APIVersions []string `json:"apiVersions,omitempty"`
	// Upgrade renders an upgrade instead of an installation.
	Upgrade bool `json:"upgrade,omitempty"`
	// SkipSchema leaves the chart's values.schema.json aside.
	SkipSchema bool `json:"skipSchema,omitempty"`
	// World answers `lookup`; without it every lookup finds nothing.
	World []map[string]any `json:"world,omitempty"`
	// Lines asks for the template line of every line.
	Lines bool `json:"lines,omitempty"`
	// PostRenderers run one after the other over what is no hook, as helm-controller's do.
	PostRenderers []postRenderer `json:"postRenderers,omitempty"`
}

// helmAnswer is one rendered release.
type helmAnswer struct {
	// Chart is the chart's metadata.
	Chart *chart.Metadata `json:"chart"`
	// Manifest is what `helm template --no-hooks` prints.
	Manifest string `json:"manifest"`
	// Documents are the objects of the manifest and the hooks, in Helm's order.
	Documents []document `json:"documents"`
	// CRDs are the files of the folders `crds`.
	CRDs []document `json:"crds,omitempty"`
	// Notes is NOTES.txt as rendered.
	Notes string `json:"notes,omitempty"`
	// Lookups are the objects asked for, whether found or not.
	Lookups []lookup `json:"lookups,omitempty"`
	// Unstable are the documents that came out differently when rendered again.
	Unstable []int `json:"unstable,omitempty"`
	// Values are the chart's values under those given: what `.Values` holds.
	Values map[string]any `json:"values,omitempty"`
	// Files of Lines, by number.
	Files []string `json:"files,omitempty"`
	// Reads are the paths of `.Values` that templates look at; nothing when that is not known.
	Reads []read `json:"reads,omitempty"`
}

// document is one object as text.
type document struct {
	// Path names the template: chart name first.
	Path string `json:"path"`
	// Text is the object, without the separator.
	Text string `json:"text"`
	// Hook is set when it is one.
	Hook *hook `json:"hook,omitempty"`
	// Lines holds, for each line of Text, file number and line; 0, 0 where nothing is known.
	Lines [][2]int `json:"lines,omitempty"`
}

type hook struct {
	Events         []string `json:"events"`
	Weight         int      `json:"weight"`
	DeletePolicies []string `json:"deletePolicies,omitempty"`
}

func renderHelm(req *helmRequest) (*helmAnswer, error) {
	ch, err := loadChart(req)
	if err != nil {
		return nil, err
	}
	rel, err := install(req, ch)
	if err != nil {
		return nil, err
	}
	answer := &helmAnswer{Chart: ch.Metadata, Manifest: rel.Manifest, Notes: rel.Info.Notes}
	for _, crd := range ch.CRDObjects() {
		answer.CRDs = append(answer.CRDs, document{Path: crd.Filename, Text: string(crd.File.Data)})
	}
	answer.Documents = documents(rel)
	if hasChance(ch) {
		if answer.Unstable, err = compare(req, answer.Documents); err != nil {
			return nil, err
		}
	}
	if values, err := chartutil.CoalesceValues(ch, req.Values); err == nil {
		answer.Values = values
	}
	if req.Lines {
		// Helm's own work has left its traces in the chart; this one is as its author wrote it.
		if fresh, err := loadChart(req); err == nil {
			answer.Reads, _ = reads(fresh, req.Values)
		}
	}
	if req.Lines || req.World != nil {
		if err := trace(req, answer); err != nil {
			return nil, err
		}
	}
	if req.PostRenderers != nil {
		if err := postRender(req.PostRenderers, answer); err != nil {
			return nil, fmt.Errorf("post-renderer: %w", err)
		}
	}
	return answer, nil
}

func loadChart(req *helmRequest) (*chart.Chart, error) {
	ch, err := loader.Load(req.Chart)
	if err != nil {
		return nil, fmt.Errorf("the chart cannot be loaded: %w", err)
	}
	if err := useValuesFiles(req, ch); err != nil {
		return nil, err
	}
	if ch.Metadata.Type != "" && ch.Metadata.Type != "application" {
		return nil, fmt.Errorf("a chart of type %q cannot be installed", ch.Metadata.Type)
	}
	if wanted := ch.Metadata.Dependencies; wanted != nil {
		if err := action.CheckDependencies(ch, wanted); err != nil {
			return nil, err
		}
	}
	return ch, nil
}

// useValuesFiles does what source-controller does with `valuesFiles` when it packs a chart.
func useValuesFiles(req *helmRequest, ch *chart.Chart) error {
	if len(req.ValuesFiles) == 0 {
		return nil
	}
	merged := map[string]any{}
	for _, name := range req.ValuesFiles {
		name = strings.TrimPrefix(name, "./")
		found := false
		for _, file := range ch.Raw {
			if file.Name != name {
				continue
			}
			found = true
			values := map[string]any{}
			if err := yaml.Unmarshal(file.Data, &values); err != nil {
				return fmt.Errorf("values file %s: %w", name, err)
			}
			merged = overlay(merged, values)
		}
		if !found && !req.IgnoreMissingValuesFiles {
			return fmt.Errorf("the chart has no values file %s", name)
		}
	}
	ch.Values = merged
	return nil
}

func overlay(under, over map[string]any) map[string]any {
	out := make(map[string]any, len(under))
	for key, value := range under {
		out[key] = value
	}
	for key, value := range over {
		if inner, isMap := value.(map[string]any); isMap {
			if below, both := out[key].(map[string]any); both {
				out[key] = overlay(below, inner)
				continue
			}
		}
		out[key] = value
	}
	return out
}

func install(req *helmRequest, ch *chart.Chart) (*release.Release, error) {
	run := action.NewInstall(&action.Configuration{Log: func(string, ...interface{}) {}})
	run.DryRun = true
	run.ClientOnly = true
	run.Replace = true
	run.ReleaseName = req.Release
	run.Namespace = req.Namespace
	run.IsUpgrade = req.Upgrade
	run.SkipSchemaValidation = req.SkipSchema
	run.APIVersions = req.APIVersions
	if req.KubeVersion != "" {
		version, err := chartutil.ParseKubeVersion(req.KubeVersion)
		if err != nil {
			return nil, fmt.Errorf("the Kubernetes version %q: %w", req.KubeVersion, err)
		}
		run.KubeVersion = version
	}
	values, err := copied(req.Values)
	if err != nil {
		return nil, err
	}
	return run.RunWithContext(context.Background(), ch, values)
}

// copied keeps Helm's own changes to the values out of the request.
func copied(values map[string]any) (map[string]any, error) {
	text, err := json.Marshal(values)
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	return out, json.Unmarshal(text, &out)
}

// documents cuts the manifest at Helm's own notes of origin.
func documents(rel *release.Release) []document {
	found := []document{}
	for _, h := range rel.Hooks {
		found = append(found, document{Path: h.Path, Text: h.Manifest, Hook: hookOf(h)})
	}
	const mark = "---\n# Source: "
	for _, piece := range strings.Split("\n"+rel.Manifest, "\n"+mark) {
		path, text, hasText := strings.Cut(piece, "\n")
		if !hasText || strings.TrimSpace(text) == "" {
			continue
		}
		found = append(found, document{Path: path, Text: strings.TrimSuffix(text, "\n")})
	}
	return found
}

func hookOf(h *release.Hook) *hook {
	out := &hook{Weight: h.Weight}
	for _, event := range h.Events {
		out.Events = append(out.Events, event.String())
	}
	for _, policy := range h.DeletePolicies {
		out.DeletePolicies = append(out.DeletePolicies, policy.String())
	}
	return out
}

// trace renders once more with every line of every template marked, and reads the marks back. With
// a world, that rendering's text is the answer, for the first one looked nothing up.
func trace(req *helmRequest, answer *helmAnswer) error {
	world := newWorld(req.World)
	marks := &marker{}
	marked, err := renderMarked(req, world, marks)
	if err != nil && req.World != nil {
		return err
	}
	answer.Lookups = world.asked()
	if req.World != nil {
		if err := fromWorld(req, marked, answer); err != nil {
			return err
		}
	}
	if err != nil {
		// The marks were in the way: lines stay unknown, which the caller can see.
		return nil
	}
	answer.Files = marks.files
	for i := range answer.Documents {
		doc := &answer.Documents[i]
		doc.Lines = linesOf(doc.Text, marked[doc.Path])
	}
	return nil
}

func renderMarked(req *helmRequest, world *world, marks *marker) (map[string]string, error) {
	ch, err := loadChart(req)
	if err != nil {
		return nil, err
	}
	values, err := copied(req.Values)
	if err != nil {
		return nil, err
	}
	if err := chartutil.ProcessDependenciesWithMerge(ch, values); err != nil {
		return nil, err
	}
	if marks != nil {
		marks.chart(ch)
	}
	caps := chartutil.DefaultCapabilities.Copy()
	caps.APIVersions = append(caps.APIVersions, req.APIVersions...)
	if req.KubeVersion != "" {
		version, err := chartutil.ParseKubeVersion(req.KubeVersion)
		if err != nil {
			return nil, err
		}
		caps.KubeVersion = *version
	}
	options := chartutil.ReleaseOptions{
		Name: req.Release, Namespace: req.Namespace, Revision: 1,
		IsInstall: !req.Upgrade, IsUpgrade: req.Upgrade,
	}
	top, err := chartutil.ToRenderValuesWithSchemaValidation(ch, values, options, caps, true)
	if err != nil {
		return nil, err
	}
	return engine.RenderWithClientProvider(ch, top, world)
}

// fromWorld sorts what was rendered with lookups into documents, as an installation would.
func fromWorld(req *helmRequest, marked map[string]string, answer *helmAnswer) error {
	plain := make(map[string]string, len(marked))
	for path, text := range marked {
		if !strings.HasSuffix(path, "NOTES.txt") {
			plain[path] = strip(text)
		}
	}
	hooks, manifests, err := sortManifests(plain)
	if err != nil {
		return err
	}
	var text strings.Builder
	rel := &release.Release{Hooks: hooks}
	for _, m := range manifests {
		fmt.Fprintf(&text, "---\n# Source: %s\n%s\n", m.Name, m.Content)
	}
	rel.Manifest = text.String()
	answer.Manifest = rel.Manifest
	answer.Documents = documents(rel)
	return nil
}

// compare renders again and names the documents that differ: they hold the time or something random.
func compare(req *helmRequest, first []document) ([]int, error) {
	ch, err := loadChart(req)
	if err != nil {
		return nil, err
	}
	rel, err := install(req, ch)
	if err != nil {
		return nil, err
	}
	second := documents(rel)
	if len(second) != len(first) {
		return nil, errors.New("two renderings have different objects")
	}
	var differ []int
	for i := range first {
		if first[i].Text != second[i].Text {
			differ = append(differ, i)
		}
	}
	return differ, nil
}

// chance matches the functions whose result nobody can foretell.
var chance = regexp.MustCompile(`\b(rand[A-Z]\w*|gen[A-Z]\w*|uuidv4|now|htpasswd|bcrypt|shuffle|date|ago)\b`)

func hasChance(ch *chart.Chart) bool {
	for _, template := range ch.Templates {
		if chance.Match(template.Data) {
			return true
		}
	}
	for _, inner := range ch.Dependencies() {
		if hasChance(inner) {
			return true
		}
	}
	return false
}
