module x

go 1.26

require (
	github.com/fluxcd/helm-controller v1.4.3 // indirect
	github.com/fluxcd/helm-controller/api v1.4.3 // indirect
	helm.sh/helm/v3 v3.19.0 // indirect
)
