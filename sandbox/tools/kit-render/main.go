// Command kit-render renders for `catalyst kit`: Helm's and kustomize's own libraries, at the
// versions inside the pinned Flux controllers, behind one request a line and one answer a line.
//
// It starts no process, opens no socket and writes no file. Requests run in parallel; an answer
// carries its request's id. Time is the caller's to limit: it kills the program. Memory is limited
// here, for only here is it known whose request is at work.
package main

import (
	"bufio"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"sort"
	"strconv"
	"sync"
	"syscall"
	"time"
)

//go:embed *.go
var sources embed.FS

const (
	// protocol changes with the form of requests or answers.
	protocol = "1"
	// defaultMemory bounds the heap in bytes; the largest public chart needs some 200 MiB.
	defaultMemory = 2 << 30
	// hardRoom is the address space beside twice the bound after which the kernel refuses, should
	// one allocation jump over the bound. Go reserves much more than it uses.
	hardRoom = 8 << 30
	// watchEvery is how often the heap is looked at.
	watchEvery = 20 * time.Millisecond
	// exitMemory is the exit code of a run that needed too much memory.
	exitMemory = 3
)

// request is one line of input.
type request struct {
	ID        uint64            `json:"id"`
	Helm      *helmRequest      `json:"helm,omitempty"`
	Kustomize *kustomizeRequest `json:"kustomize,omitempty"`
	Strict    *strictRequest    `json:"strict,omitempty"`
}

// answer is one line of output.
type answer struct {
	ID    uint64 `json:"id"`
	OK    any    `json:"ok,omitempty"`
	Error string `json:"error,omitempty"`
}

// hello is the first line of output.
type hello struct {
	Hello     string            `json:"hello"`
	Source    string            `json:"source"`
	Libraries map[string]string `json:"libraries"`
}

func main() {
	http.DefaultTransport = noNetwork{}
	limit := memoryLimit()
	debug.SetMemoryLimit(limit)
	hard := uint64(limit)*2 + hardRoom
	_ = syscall.Setrlimit(syscall.RLIMIT_AS, &syscall.Rlimit{Cur: hard, Max: hard})

	out := &lines{to: bufio.NewWriter(os.Stdout)}
	go watchMemory(limit)
	out.write(hello{Hello: protocol, Source: sourceHash(), Libraries: libraries()})
	if err := serve(os.Stdin, out); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve answers until the input ends; every request has a goroutine of its own.
func serve(in io.Reader, out *lines) error {
	reader := bufio.NewReaderSize(in, 1<<20)
	var group sync.WaitGroup
	defer group.Wait()
	for {
		line, err := reader.ReadBytes('\n')
		if len(line) > 1 {
			var req request
			if err := json.Unmarshal(line, &req); err != nil {
				return fmt.Errorf("a request cannot be read: %w", err)
			}
			group.Add(1)
			go func() {
				defer group.Done()
				out.write(work(req))
			}()
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func work(req request) (result answer) {
	result.ID = req.ID
	defer func() {
		if panicked := recover(); panicked != nil {
			result.OK, result.Error = nil, fmt.Sprintf("the renderer panicked: %v", panicked)
		}
	}()
	var value any
	var err error
	switch {
	case req.Helm != nil:
		value, err = renderHelm(req.Helm)
	case req.Kustomize != nil:
		value, err = renderKustomize(req.Kustomize)
	case req.Strict != nil:
		value, err = checkStrict(req.Strict), nil
	default:
		err = errors.New("the request asks for nothing")
	}
	if err != nil {
		result.Error = err.Error()
	} else {
		result.OK = value
	}
	return result
}

// lines writes values as lines, one at a time.
type lines struct {
	mu sync.Mutex
	to *bufio.Writer
}

func (l *lines) write(value any) {
	text, err := json.Marshal(value)
	if err != nil {
		failed, isAnswer := value.(answer)
		if !isAnswer {
			return
		}
		text, _ = json.Marshal(answer{ID: failed.ID, Error: "the answer is no JSON: " + err.Error()})
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = l.to.Write(append(text, '\n'))
	_ = l.to.Flush()
}

func memoryLimit() int64 {
	if text := os.Getenv("KIT_RENDER_MEMORY"); text != "" {
		if bytes, err := strconv.ParseInt(text, 10, 64); err == nil && bytes > 0 {
			return bytes
		}
	}
	return defaultMemory
}

// watchMemory ends the program when the live heap passes the bound: a template that allocates
// without end cannot be stopped otherwise.
func watchMemory(limit int64) {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	for range time.Tick(watchEvery) {
		metrics.Read(sample)
		if sample[0].Value.Uint64() > uint64(limit) {
			fmt.Fprintf(os.Stderr, "more than %d MiB of memory are needed\n", limit>>20)
			os.Exit(exitMemory)
		}
	}
}

// noNetwork is the only transport there is.
type noNetwork struct{}

func (noNetwork) RoundTrip(r *http.Request) (*http.Response, error) {
	return nil, fmt.Errorf("%s would be fetched, but rendering has no network", r.URL.Host)
}

// sourceHash is SHA-256 over the names and contents of this program's files, so that its caller can
// tell a program of another state of the source.
func sourceHash() string {
	entries, _ := sources.ReadDir(".")
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	sort.Strings(names)
	hash := sha256.New()
	for _, name := range names {
		content, _ := sources.ReadFile(name)
		fmt.Fprintf(hash, "%s %d\n", name, len(content))
		hash.Write(content)
	}
	return hex.EncodeToString(hash.Sum(nil))
}

func libraries() map[string]string {
	found := map[string]string{}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return found
	}
	for _, module := range info.Deps {
		switch module.Path {
		case "helm.sh/helm/v3", "sigs.k8s.io/kustomize/api", "k8s.io/api",
			"github.com/fluxcd/helm-controller/api", "github.com/fluxcd/kustomize-controller/api",
			"github.com/fluxcd/source-controller/api":
			found[module.Path] = module.Version
		}
	}
	return found
}
