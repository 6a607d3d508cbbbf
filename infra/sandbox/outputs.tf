# Each output waits for the control plane: a static value would be in the state before the node is.

output "control_plane_ip" {
  description = "Address of the node on its link."
  value       = local.node_ip
  depends_on  = [terraform_data.control_plane]
}

output "load_balancer_ip" {
  description = "The same address: one machine has no load balancer."
  value       = local.node_ip
  depends_on  = [terraform_data.control_plane]
}

# The sandbox's kit has no Ingress: console.<fqdn> and gitea.<fqdn> answer nowhere, so the Services'
# own addresses are given, which are reached from inside the cluster.

output "console_url" {
  description = "Where the Sovereign's own console is, inside its cluster."
  value       = "http://catalyst-api.catalyst-system.svc.cluster.local:8080"
  depends_on  = [terraform_data.control_plane]
}

output "gitops_repo_url" {
  description = "Where the Sovereign's own git server is, inside its cluster."
  value       = "http://gitea-http.gitea.svc.cluster.local:3000"
  depends_on  = [terraform_data.control_plane]
}

output "api_server" {
  description = "Kubernetes API of the Sovereign."
  value       = terraform_data.control_plane.output.api_server
}
