package main

import (
	"strings"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
)

// strictRequest asks whether objects have the form of their Go types, to the last field.
type strictRequest struct {
	// Documents holds one object each, YAML or JSON.
	Documents []string `json:"documents"`
}

// verdict tells about one document.
type verdict struct {
	// Known says whether the kind is one of Kubernetes' or Flux's own.
	Known bool `json:"known"`
	// Faults are the decoder's words, one fault each.
	Faults []string `json:"faults,omitempty"`
}

var strictDecoder = func() *json.Serializer {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme,
		apiextensionsv1.AddToScheme,
		helmv2.AddToScheme,
		kustomizev1.AddToScheme,
		sourcev1.AddToScheme,
	} {
		utilruntime.Must(add(scheme))
	}
	options := json.SerializerOptions{Yaml: true, Strict: true}
	return json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, options)
}()

func checkStrict(req *strictRequest) []verdict {
	verdicts := make([]verdict, len(req.Documents))
	for i, document := range req.Documents {
		_, _, err := strictDecoder.Decode([]byte(document), nil, nil)
		switch {
		case err == nil:
			verdicts[i].Known = true
		case runtime.IsNotRegisteredError(err):
		case runtime.IsStrictDecodingError(err):
			verdicts[i].Known = true
			strict, _ := runtime.AsStrictDecodingError(err)
			for _, fault := range strict.Errors() {
				verdicts[i].Faults = append(verdicts[i].Faults, fault.Error())
			}
		default:
			verdicts[i].Known = true
			verdicts[i].Faults = []string{strings.TrimSpace(err.Error())}
		}
	}
	return verdicts
}
