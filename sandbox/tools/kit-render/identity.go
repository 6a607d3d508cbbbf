package main

import (
	"strings"

	"sigs.k8s.io/yaml"
)

// identity is what makes an object the same after it was changed.
type identity struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"metadata"`
}

func identify(text string) (identity, bool) {
	var id identity
	err := yaml.Unmarshal([]byte(text), &id)
	return id, err == nil
}

// sameObject finds the document that text was before.
func sameObject(text string, before []document) *document {
	id, readable := identify(text)
	if !readable {
		return nil
	}
	for i := range before {
		if other, ok := identify(before[i].Text); ok && other == id {
			return &before[i]
		}
	}
	return nil
}

// carryLines maps each line to the next equal line of the object as it was. Keys come back in
// another order, so the search goes on from the start where nothing follows.
func carryLines(text string, old *document) [][2]int {
	lines := strings.Split(text, "\n")
	found := make([][2]int, len(lines))
	if old.Lines == nil {
		return found
	}
	was := strings.Split(old.Text, "\n")
	at := 0
	for i, line := range lines {
		for step := range was {
			j := (at + step) % len(was)
			if strings.TrimSpace(was[j]) == strings.TrimSpace(line) {
				found[i] = old.Lines[j]
				at = j + 1
				break
			}
		}
	}
	return found
}
