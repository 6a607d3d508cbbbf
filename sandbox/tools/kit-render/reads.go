package main

import (
	"sort"
	"strings"
	"text/template/parse"

	"helm.sh/helm/v3/pkg/chart"
)

// read is one path of `.Values` that a template looks at.
type read struct {
	// Path holds the keys; empty for all of it.
	Path []string `json:"path"`
	// Whole is set when everything below the path goes somewhere that is not followed further.
	Whole bool `json:"whole,omitempty"`
}

// reads lists what the templates of a chart and of those inside it look at, as the outermost chart's
// values name it; nothing when a template cannot be read. What is not understood counts as read.
// Values may hold templates too, for `tpl`.
func reads(ch *chart.Chart, values map[string]any) ([]read, bool) {
	all := collector{found: map[string]read{}}
	if !all.chart(ch, nil) {
		return nil, false
	}
	w := walker{}
	templatesIn(values, func(text string) { w.text("values", text) })
	for _, r := range append(w.reads, w.shared...) {
		all.add(nil, r)
	}
	list := make([]read, 0, len(all.found))
	for _, one := range all.found {
		list = append(list, one)
	}
	sort.Slice(list, func(i, j int) bool { return key(list[i]) < key(list[j]) })
	return list, true
}

func templatesIn(value any, visit func(string)) {
	switch v := value.(type) {
	case string:
		if strings.Contains(v, "{{") {
			visit(v)
		}
	case []any:
		for _, item := range v {
			templatesIn(item, visit)
		}
	case map[string]any:
		for _, item := range v {
			templatesIn(item, visit)
		}
	}
}

func key(r read) string {
	key := strings.Join(r.Path, "\x00")
	if r.Whole {
		key += "\x00\x00"
	}
	return key
}

type collector struct {
	found map[string]read
	// scopes are the places of every chart's values seen so far; named templates are shared by all.
	scopes [][]string
	shared []read
}

func (c *collector) add(prefix []string, r read) {
	path := append(append([]string{}, prefix...), r.Path...)
	one := read{Path: path, Whole: r.Whole}
	c.found[key(one)] = one
}

// chart collects a chart whose values stand at prefix.
func (c *collector) chart(ch *chart.Chart, prefix []string) bool {
	w := walker{}
	texts := map[string]string{}
	for _, file := range ch.Templates {
		texts[file.Name] = string(file.Data)
	}
	// Other files may hold templates too, for `tpl`; those of inner charts come with them.
	for _, file := range ch.Raw {
		if strings.HasPrefix(file.Name, "charts/") {
			continue
		}
		if _, known := texts[file.Name]; !known && strings.Contains(string(file.Data), "{{") {
			texts["raw:"+file.Name] = string(file.Data)
		}
	}
	for name, text := range texts {
		if !w.text(name, text) && !strings.HasPrefix(name, "raw:") {
			return false
		}
	}
	c.scopes = append(c.scopes, prefix)
	for _, r := range w.reads {
		c.add(prefix, r)
	}
	c.shared = append(c.shared, w.shared...)
	for _, dependency := range ch.Metadata.Dependencies {
		for _, condition := range strings.Split(dependency.Condition, ",") {
			if condition = strings.TrimSpace(condition); condition != "" {
				c.add(prefix, read{Path: strings.Split(condition, ".")})
			}
		}
		if len(dependency.Tags) > 0 {
			c.add(prefix, read{Path: []string{"tags"}, Whole: true})
		}
	}
	c.add(prefix, read{Path: []string{"global"}, Whole: true})
	for _, inner := range ch.Dependencies() {
		for _, name := range names(ch, inner) {
			if !c.chart(inner, append(append([]string{}, prefix...), name)) {
				return false
			}
		}
	}
	if prefix == nil {
		for _, scope := range c.scopes {
			for _, r := range c.shared {
				c.add(scope, r)
			}
		}
	}
	return true
}

// names are the keys under which a chart gives values to one inside it.
func names(outer, inner *chart.Chart) []string {
	found := []string{}
	for _, dependency := range outer.Metadata.Dependencies {
		if dependency.Name == inner.Name() {
			if dependency.Alias != "" {
				found = append(found, dependency.Alias)
			} else {
				found = append(found, dependency.Name)
			}
		}
	}
	if len(found) == 0 {
		found = append(found, inner.Name())
	}
	return found
}

// place is what is known of a value: a path below `.Values`, the root with `.Values` in it, or
// nothing.
type place struct {
	path     []string
	isValues bool
	isRoot   bool
}

type walker struct {
	reads  []read
	shared []read
	// vars holds what is known of variables; a name that is set twice differently is not known.
	vars map[string]place
	// inDefinition: reads belong to every chart, for every chart may call the template.
	inDefinition bool
}

func (w *walker) text(name, text string) bool {
	trees := map[string]*parse.Tree{}
	tree := parse.New(name)
	tree.Mode = parse.SkipFuncCheck
	if _, err := tree.Parse(text, "{{", "}}", trees); err != nil {
		return false
	}
	for defined, one := range trees {
		if one.Root == nil {
			continue
		}
		w.inDefinition = defined != name
		w.vars = map[string]place{"$": {isRoot: true}}
		w.list(one.Root, place{isRoot: true})
	}
	return true
}

func (w *walker) note(path []string, whole bool) {
	one := read{Path: append([]string{}, path...), Whole: whole}
	if w.inDefinition {
		w.shared = append(w.shared, one)
	} else {
		w.reads = append(w.reads, one)
	}
}

func (w *walker) list(list *parse.ListNode, dot place) {
	if list == nil {
		return
	}
	for _, node := range list.Nodes {
		w.node(node, dot)
	}
}

func (w *walker) node(node parse.Node, dot place) {
	switch n := node.(type) {
	case *parse.ActionNode:
		w.pipe(n.Pipe, dot)
	case *parse.TemplateNode:
		w.pipe(n.Pipe, dot)
	case *parse.IfNode:
		w.test(n.Pipe, dot)
		w.list(n.List, dot)
		w.list(n.ElseList, dot)
	case *parse.WithNode:
		inner := w.test(n.Pipe, dot)
		w.list(n.List, inner)
		w.list(n.ElseList, dot)
	case *parse.RangeNode:
		// What is inside of a list or mapping is not followed.
		if at, ok := w.alone(n.Pipe, dot); ok && at.isValues {
			w.note(at.path, true)
		}
		w.pipe(n.Pipe, dot)
		w.list(n.List, place{})
		w.list(n.ElseList, dot)
	}
}

// test walks a condition: a path that stands alone is looked at, but not what is below it.
func (w *walker) test(pipe *parse.PipeNode, dot place) place {
	if at, ok := w.alone(pipe, dot); ok {
		if at.isValues {
			w.note(at.path, len(at.path) == 0)
		}
		w.declare(pipe, at)
		return at
	}
	w.pipe(pipe, dot)
	return place{}
}

// alone resolves a pipe of one word.
func (w *walker) alone(pipe *parse.PipeNode, dot place) (place, bool) {
	if pipe == nil || len(pipe.Cmds) != 1 || len(pipe.Cmds[0].Args) != 1 {
		return place{}, false
	}
	at := w.resolve(pipe.Cmds[0].Args[0], dot)
	return at, at.isValues || at.isRoot
}

func (w *walker) declare(pipe *parse.PipeNode, at place) {
	for _, variable := range pipe.Decl {
		name := variable.Ident[0]
		if known, seen := w.vars[name]; seen && (known.isRoot != at.isRoot || strings.Join(known.path, ".") != strings.Join(at.path, ".")) {
			if known.isValues {
				w.note(known.path, true)
			}
			if at.isValues {
				w.note(at.path, true)
			}
			at = place{}
		}
		w.vars[name] = at
	}
}

func (w *walker) pipe(pipe *parse.PipeNode, dot place) {
	if pipe == nil {
		return
	}
	if len(pipe.Decl) == 1 {
		if at, ok := w.alone(pipe, dot); ok && !(at.isValues && len(at.path) == 0) {
			// A variable for a place: what is read of it is known where it is used.
			if at.isValues {
				w.note(at.path, false)
			}
			w.declare(pipe, at)
			return
		}
	}
	w.declare(pipe, place{})
	for _, command := range pipe.Cmds {
		w.command(command, dot)
	}
}

func (w *walker) command(command *parse.CommandNode, dot place) {
	if at := w.call(command, dot); at.isValues {
		w.note(at.path, true)
		return
	}
	for _, argument := range command.Args {
		w.argument(argument, dot)
	}
}

func (w *walker) argument(node parse.Node, dot place) {
	if inner, isPipe := node.(*parse.PipeNode); isPipe {
		w.pipe(inner, dot)
		return
	}
	if at := w.resolve(node, dot); at.isValues {
		w.note(at.path, true)
	} else if chain, isChain := node.(*parse.ChainNode); isChain {
		w.argument(chain.Node, dot)
	}
}

// call resolves `index .Values "a"`, `get .Values "a"`, `hasKey .Values "a"` and `dig "a" 1 .Values`.
func (w *walker) call(command *parse.CommandNode, dot place) place {
	name, isName := command.Args[0].(*parse.IdentifierNode)
	if !isName || len(command.Args) < 3 {
		return place{}
	}
	rest := command.Args[1:]
	var from parse.Node
	var keys []parse.Node
	switch name.Ident {
	case "index", "get", "hasKey":
		from, keys = rest[0], rest[1:]
	case "dig":
		from, keys = rest[len(rest)-1], rest[:len(rest)-2]
	default:
		return place{}
	}
	at := w.resolve(from, dot)
	if !at.isValues {
		return place{}
	}
	for _, node := range keys {
		text, isText := node.(*parse.StringNode)
		if !isText {
			w.argument(node, dot)
			break
		}
		at.path = append(append([]string{}, at.path...), text.Text)
	}
	return at
}

func (w *walker) resolve(node parse.Node, dot place) place {
	switch n := node.(type) {
	case *parse.DotNode:
		return dot
	case *parse.FieldNode:
		return below(dot, n.Ident)
	case *parse.VariableNode:
		return below(w.vars[n.Ident[0]], n.Ident[1:])
	case *parse.PipeNode:
		if len(n.Cmds) == 1 && len(n.Decl) == 0 {
			if at := w.call(n.Cmds[0], dot); at.isValues {
				return at
			}
			if len(n.Cmds[0].Args) == 1 {
				return w.resolve(n.Cmds[0].Args[0], dot)
			}
		}
	case *parse.ChainNode:
		return below(w.resolve(n.Node, dot), n.Field)
	}
	return place{}
}

// below follows fields. `Values` in a chain is taken for a chart's values, whatever stands before.
func below(from place, fields []string) place {
	if from.isValues {
		return place{isValues: true, path: append(append([]string{}, from.path...), fields...)}
	}
	for i, field := range fields {
		if field == "Values" {
			return place{isValues: true, path: append([]string{}, fields[i+1:]...)}
		}
	}
	if len(fields) == 0 {
		return from
	}
	return place{}
}
