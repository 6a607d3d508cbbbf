package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// kustomizeRequest asks for one folder, as kustomize-controller would build it.
type kustomizeRequest struct {
	// Root is the source: nothing outside it is read.
	Root string `json:"root"`
	// Path is the folder to build, relative to Root.
	Path string `json:"path"`
	// Wrapper is a kustomization that includes the folder: what Flux adds to it. Its components are
	// relative to the folder.
	Wrapper map[string]any `json:"wrapper"`
	// Extra are files that exist for this build only, by path relative to Root.
	Extra map[string]string `json:"extra,omitempty"`
}

// built is one object of a build.
type built struct {
	Text string `json:"text"`
	// Origin is the file it came from, relative to Root; empty when nothing is known.
	Origin string `json:"origin,omitempty"`
	// ConfiguredIn is the file with the generator that made it.
	ConfiguredIn string `json:"configuredIn,omitempty"`
}

// building is held during a build: kustomize's schema cache is no friend of parallel runs.
var building sync.Mutex

func renderKustomize(req *kustomizeRequest) ([]built, error) {
	root, err := filepath.EvalSymlinks(req.Root)
	if err != nil {
		return nil, err
	}
	layered := &confined{FileSystem: filesys.MakeFsOnDisk(), root: root, extra: map[string][]byte{}}
	for path, text := range req.Extra {
		layered.extra[filepath.Join(root, path)] = []byte(text)
	}
	// Beside the source, for a folder may not include one above it. It exists nowhere.
	wrapper := filepath.Join(filepath.Dir(root), wrapperName)
	text, err := wrap(req, "../"+filepath.Base(root)+"/"+req.Path)
	if err != nil {
		return nil, err
	}
	layered.extra[filepath.Join(wrapper, "kustomization.yaml")] = text
	resources, err := build(layered, wrapper)
	if err != nil {
		words := strings.ReplaceAll(err.Error(), root+"/", "")
		return nil, errors.New(strings.ReplaceAll(words, "../"+filepath.Base(root)+"/", ""))
	}
	found := []built{}
	for _, resource := range resources.Resources() {
		one := built{}
		if origin, err := resource.GetOrigin(); err == nil && origin != nil {
			one.Origin = relative(root, wrapper, origin.Path)
			one.ConfiguredIn = relative(root, wrapper, origin.ConfiguredIn)
		}
		if err := resource.SetOrigin(nil); err != nil {
			return nil, err
		}
		text, err := resource.AsYAML()
		if err != nil {
			return nil, err
		}
		one.Text = string(text)
		found = append(found, one)
	}
	return found, nil
}

// wrapperName is the folder of the wrapping kustomization.
const wrapperName = ".catalyst-build"

func wrap(req *kustomizeRequest, folder string) ([]byte, error) {
	wrapper := map[string]any{}
	for key, value := range req.Wrapper {
		wrapper[key] = value
	}
	wrapper["apiVersion"], wrapper["kind"] = types.KustomizationVersion, types.KustomizationKind
	wrapper["buildMetadata"] = []string{types.OriginAnnotations}
	wrapper["resources"] = []string{folder}
	if components, isList := wrapper["components"].([]any); isList {
		for i, component := range components {
			components[i] = fmt.Sprintf("%s/%v", folder, component)
		}
	}
	return json.Marshal(wrapper)
}

func build(files filesys.FileSystem, folder string) (resmap.ResMap, error) {
	building.Lock()
	defer building.Unlock()
	options := krusty.MakeDefaultOptions()
	options.LoadRestrictions = types.LoadRestrictionsNone
	options.PluginConfig = types.DisabledPluginConfig()
	return krusty.MakeKustomizer(options).Run(files, folder)
}

func relative(root, folder, path string) string {
	if path == "" {
		return ""
	}
	if below, err := filepath.Rel(root, filepath.Join(folder, path)); err == nil {
		return below
	}
	return path
}

// confined reads a folder of the disk and some files that are only said to be there. It never
// leaves the folder, not through a link either, and never writes.
type confined struct {
	filesys.FileSystem
	root  string
	extra map[string][]byte
}

var errReadOnly = errors.New("a build writes nothing")

func (c *confined) inside(path string) error {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	if real != c.root && !strings.HasPrefix(real, c.root+"/") {
		return fmt.Errorf("%s leads out of the source", path)
	}
	return nil
}

// extraFolder says whether a folder exists only through files that are said to be in it.
func (c *confined) extraFolder(path string) bool {
	for file := range c.extra {
		if strings.HasPrefix(file, filepath.Clean(path)+"/") {
			return true
		}
	}
	return false
}

func (c *confined) Exists(path string) bool {
	_, isExtra := c.extra[filepath.Clean(path)]
	return isExtra || c.extraFolder(path) || c.inside(path) == nil && c.FileSystem.Exists(path)
}

func (c *confined) IsDir(path string) bool {
	if _, isExtra := c.extra[filepath.Clean(path)]; isExtra {
		return false
	}
	return c.extraFolder(path) || c.inside(path) == nil && c.FileSystem.IsDir(path)
}

func (c *confined) ReadFile(path string) ([]byte, error) {
	if text, isExtra := c.extra[filepath.Clean(path)]; isExtra {
		return text, nil
	}
	if err := c.inside(path); err != nil {
		return nil, err
	}
	return c.FileSystem.ReadFile(path)
}

func (c *confined) Open(path string) (filesys.File, error) {
	if err := c.inside(path); err != nil {
		return nil, err
	}
	return c.FileSystem.Open(path)
}

func (c *confined) CleanedAbs(path string) (filesys.ConfirmedDir, string, error) {
	clean := filepath.Clean(path)
	if _, isExtra := c.extra[clean]; isExtra {
		return filesys.ConfirmedDir(filepath.Dir(clean)), filepath.Base(clean), nil
	}
	if _, err := os.Stat(clean); errors.Is(err, fs.ErrNotExist) && c.extraFolder(clean) {
		return filesys.ConfirmedDir(clean), "", nil
	}
	if err := c.inside(clean); err != nil {
		return "", "", err
	}
	return c.FileSystem.CleanedAbs(path)
}

func (c *confined) Create(string) (filesys.File, error) { return nil, errReadOnly }
func (c *confined) Mkdir(string) error                  { return errReadOnly }
func (c *confined) MkdirAll(string) error               { return errReadOnly }
func (c *confined) RemoveAll(string) error              { return errReadOnly }
func (c *confined) WriteFile(string, []byte) error      { return errReadOnly }

// postRenderer is one entry of a HelmRelease's `postRenderers`, plus what `commonMetadata` adds.
type postRenderer struct {
	Patches           []types.Patch     `json:"patches,omitempty"`
	Images            []types.Image     `json:"images,omitempty"`
	CommonLabels      map[string]string `json:"commonLabels,omitempty"`
	CommonAnnotations map[string]string `json:"commonAnnotations,omitempty"`
}

// postRender changes what is no hook; an object keeps the template it came from by its identity.
func postRender(renderers []postRenderer, answer *helmAnswer) error {
	text := answer.Manifest
	for _, renderer := range renderers {
		files := filesys.MakeFsInMemory()
		config := types.Kustomization{Images: renderer.Images, Patches: renderer.Patches}
		config.APIVersion, config.Kind = types.KustomizationVersion, types.KustomizationKind
		config.Resources = []string{"helm-output.yaml"}
		config.CommonAnnotations = renderer.CommonAnnotations
		if renderer.CommonLabels != nil {
			config.Labels = []types.Label{{Pairs: renderer.CommonLabels, IncludeTemplates: true}}
		}
		file, err := json.Marshal(config)
		if err != nil {
			return err
		}
		for name, content := range map[string][]byte{"helm-output.yaml": []byte(text), "kustomization.yaml": file} {
			if err := files.WriteFile(name, content); err != nil {
				return err
			}
		}
		resources, err := build(files, ".")
		if err != nil {
			return err
		}
		output, err := resources.AsYaml()
		if err != nil {
			return err
		}
		text = string(output)
	}
	answer.Manifest = text
	answer.replace(strings.Split(text, "\n---\n"))
	return nil
}

// replace puts new texts in the place of the documents that are no hooks.
func (answer *helmAnswer) replace(texts []string) {
	var kept, before []document
	for _, doc := range answer.Documents {
		if doc.Hook != nil {
			kept = append(kept, doc)
		} else {
			before = append(before, doc)
		}
	}
	for _, text := range texts {
		text = strings.TrimSuffix(text, "\n")
		doc := document{Text: text}
		if old := sameObject(text, before); old != nil {
			doc.Path = old.Path
			doc.Lines = carryLines(text, old)
		}
		kept = append(kept, doc)
	}
	answer.Documents = kept
}
