package main

import (
	"regexp"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
)

// A mark names a template and a line in characters of Unicode's private use area. YAML takes them
// as letters, so that a template which reads its own output back still can.
const (
	markOpen  = '\uE000'
	markClose = '\uE001'
	markNext  = '\uE002'
	markDigit = '\uE010'
	markBase  = 16
)

var markPattern = regexp.MustCompile("\uE000[\uE002\uE010-\uE01F]*\uE001")

// separator is how Helm cuts a rendered file into objects.
var separator = regexp.MustCompile(`(?:^|\s*\n)---\s*`)

// marker marks the lines of templates. Marks are zero wide once stripped: they stand only where a
// line has text of its own or an action that prints, never where a trim would reach.
type marker struct {
	// files are the templates by number; number 0 is none.
	files []string
}

// chart marks every template of a chart and of those inside it.
func (m *marker) chart(ch *chart.Chart) {
	if m.files == nil {
		m.files = []string{""}
	}
	for _, template := range ch.Templates {
		m.files = append(m.files, ch.ChartFullPath()+"/"+template.Name)
		scan := scanner{file: len(m.files) - 1, line: 1, fresh: true}
		template.Data = []byte(scan.run(string(template.Data)))
	}
	for _, inner := range ch.Dependencies() {
		m.chart(inner)
	}
}

// scanner goes through one template.
type scanner struct {
	out  strings.Builder
	file int
	line int
	// fresh: nothing was printed on this line so far.
	fresh bool
	// blocks are the open actions; true for a definition.
	blocks []bool
}

func (s *scanner) run(text string) string {
	for {
		at := strings.Index(text, "{{")
		if at < 0 {
			s.text(text)
			return s.out.String()
		}
		s.text(text[:at])
		end := actionEnd(text[at:])
		s.action(text[at : at+end])
		text = text[at+end:]
	}
}

func (s *scanner) text(text string) {
	for len(text) > 0 {
		line, rest, more := strings.Cut(text, "\n")
		if body := strings.TrimLeft(line, " \t\r"); s.fresh && body != "" {
			s.out.WriteString(line[:len(line)-len(body)])
			s.markText(body)
			s.fresh = false
		} else {
			s.out.WriteString(line)
		}
		if !more {
			return
		}
		s.out.WriteByte('\n')
		s.line++
		s.fresh = true
		text = rest
	}
}

// markText puts the mark behind the dashes of a list, where it stays part of a YAML word.
func (s *scanner) markText(body string) {
	if strings.HasPrefix(body, "#") || strings.HasPrefix(body, "---") {
		s.out.WriteString(body)
		return
	}
	if s.defining() && !strings.Contains(body, ":") && !strings.HasPrefix(body, "- ") {
		s.out.WriteString(body)
		return
	}
	for strings.HasPrefix(body, "- ") && len(body) > 2 {
		s.out.WriteString("- ")
		body = body[2:]
	}
	if s.defining() && body != "" && strings.ContainsAny(body[:1], "\"'{[|>&*!%@`") {
		s.out.WriteString(body)
		return
	}
	s.out.WriteString(mark(s.file, s.line))
	s.out.WriteString(body)
}

func (s *scanner) action(action string) {
	trims := strings.HasPrefix(action, "{{-")
	body := strings.TrimLeft(strings.TrimPrefix(action, "{{"), "- \t\r\n")
	word := firstWord(body)
	prints := s.track(word, body)
	switch {
	case !s.fresh || !prints || s.defining():
		s.out.WriteString(action)
	case trims:
		// The trim is done first, by an action of its own that prints the mark.
		s.out.WriteString(`{{- "` + mark(s.file, s.line) + `" }}{{`)
		s.out.WriteString(strings.TrimPrefix(action, "{{-"))
	default:
		s.out.WriteString(mark(s.file, s.line))
		s.out.WriteString(action)
	}
	if prints {
		s.fresh = false
	}
	s.line += strings.Count(action, "\n")
}

// track follows the nesting and says whether the action prints.
func (s *scanner) track(word, body string) bool {
	switch word {
	case "define", "block", "if", "range", "with":
		s.blocks = append(s.blocks, word == "define")
		return false
	case "end":
		if len(s.blocks) > 0 {
			s.blocks = s.blocks[:len(s.blocks)-1]
		}
		return false
	case "else", "break", "continue", "":
		return false
	}
	if strings.HasPrefix(body, "/*") {
		return false
	}
	if strings.HasPrefix(body, "$") {
		name, _, _ := strings.Cut(body, "=")
		isName := !strings.ContainsAny(strings.TrimSpace(strings.TrimSuffix(name, ":")), " \t\n|\"(")
		return !(strings.Contains(body, "=") && isName)
	}
	return true
}

func (s *scanner) defining() bool {
	for _, definition := range s.blocks {
		if definition {
			return true
		}
	}
	return false
}

func firstWord(body string) string {
	end := strings.IndexFunc(body, func(r rune) bool {
		return !(r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '$' || r == '.' || r == '(' || r == '"' || r == '`')
	})
	if end < 0 {
		return body
	}
	return body[:end]
}

// actionEnd is the length of the action that text begins with.
func actionEnd(text string) int {
	inner := strings.TrimLeft(strings.TrimPrefix(text[2:], "-"), " \t\r\n")
	if strings.HasPrefix(inner, "/*") {
		if end := strings.Index(text, "*/"); end >= 0 {
			if shut := strings.Index(text[end:], "}}"); shut >= 0 {
				return end + shut + 2
			}
		}
		return len(text)
	}
	for i := 2; i < len(text); i++ {
		switch text[i] {
		case '"', '\'':
			quote := text[i]
			for i++; i < len(text) && text[i] != quote && text[i] != '\n'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case '`':
			for i++; i < len(text) && text[i] != '`'; i++ {
			}
		case '}':
			if i+1 < len(text) && text[i+1] == '}' {
				return i + 2
			}
		}
	}
	return len(text)
}

func mark(file, line int) string {
	return string(markOpen) + digits(file) + string(markNext) + digits(line) + string(markClose)
}

func digits(number int) string {
	if number == 0 {
		return string(rune(markDigit))
	}
	out := ""
	for ; number > 0; number /= markBase {
		out = string(rune(markDigit+number%markBase)) + out
	}
	return out
}

func strip(text string) string {
	return markPattern.ReplaceAllString(text, "")
}

func readMark(text string) [2]int {
	var spot [2]int
	at := 0
	for _, r := range text {
		switch {
		case r == markNext:
			at = 1
		case r >= markDigit && r < markDigit+markBase:
			spot[at] = spot[at]*markBase + int(r-markDigit)
		}
	}
	return spot
}

// piece is one object of a marked file: its lines without marks, and what the marks said.
type piece struct {
	lines []string
	spots [][2]int
}

// pieces cuts a marked file the way Helm cuts a rendered one.
func pieces(marked string) []piece {
	var lines []string
	var spots [][2]int
	carried := [2]int{}
	for _, line := range strings.Split(marked, "\n") {
		spot := carried
		for i, at := range markPattern.FindAllStringIndex(line, -1) {
			carried = readMark(line[at[0]:at[1]])
			// Of the marks before the text, the last one is the innermost template's.
			if i == 0 || strings.TrimSpace(strip(line[:at[0]])) == "" {
				spot = carried
			}
		}
		lines = append(lines, strip(line))
		spots = append(spots, spot)
	}
	var all []piece
	start := 0
	flush := func(end int) {
		for start < end && strings.TrimSpace(lines[start]) == "" {
			start++
		}
		for end > start && strings.TrimSpace(lines[end-1]) == "" {
			end--
		}
		if start < end {
			all = append(all, piece{lines: lines[start:end], spots: spots[start:end]})
		}
	}
	for i, line := range lines {
		if strings.HasPrefix(line, "---") {
			flush(i)
			start = i + 1
			if rest := strings.TrimSpace(line[3:]); rest != "" {
				start = i
				lines[i] = rest
			}
		}
	}
	flush(len(lines))
	return all
}

// linesOf finds the template line of each line of an object: exact where the marked rendering has
// the very same text, else by the most similar object of the same file.
func linesOf(text, marked string) [][2]int {
	lines := strings.Split(text, "\n")
	var best *piece
	most := -1
	for _, candidate := range pieces(marked) {
		same := 0
		for i, line := range lines {
			if i < len(candidate.lines) && strings.TrimSpace(candidate.lines[i]) == strings.TrimSpace(line) {
				same++
			}
		}
		if len(candidate.lines) != len(lines) {
			same /= 2
		}
		if same > most {
			most, best = same, &candidate
		}
	}
	found := make([][2]int, len(lines))
	if best == nil {
		return found
	}
	if len(best.lines) == len(lines) {
		copy(found, best.spots)
		return found
	}
	at := 0
	for i, line := range lines {
		for j := at; j < len(best.lines); j++ {
			if best.lines[j] == line {
				found[i] = best.spots[j]
				at = j + 1
				break
			}
		}
	}
	return found
}
