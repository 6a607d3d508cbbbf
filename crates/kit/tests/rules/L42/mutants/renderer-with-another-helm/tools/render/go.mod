module y

go 1.26

require (
	github.com/fluxcd/helm-controller/api v1.4.3
	helm.sh/helm/v3 v3.18.4
)
