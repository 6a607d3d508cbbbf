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

output "console_url" {
  description = "Where the Sovereign's own console is."
  value       = "https://console.${var.sovereign_fqdn}"
  depends_on  = [terraform_data.control_plane]
}

output "gitops_repo_url" {
  description = "Where the Sovereign's own git server is."
  value       = "https://gitea.${var.sovereign_fqdn}"
  depends_on  = [terraform_data.control_plane]
}

output "api_server" {
  description = "Kubernetes API of the Sovereign."
  value       = terraform_data.control_plane.output.api_server
}
