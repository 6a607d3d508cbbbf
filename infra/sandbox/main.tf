# One Sovereign on this machine, as four resources that appear one after the other.
#
# `terraform_data` runs its provisioners when it is created and when it is destroyed, never when its
# `input` changes. There is no `triggers_replace` here: a changed variable shows in the plan as an
# update in place, and a running node is not thrown away behind anybody's back. To replace one, destroy
# it and apply again.
#
# The commands are executed without a shell: `interpreter` is the program with its first arguments,
# `command` the last one. Secrets are named by the path of a file only; none is in the state, in an
# argument or in the environment.

locals {
  node_ip = "${var.network_prefix}.2"
  host_ip = "${var.network_prefix}.1"

  step = [
    var.catalyst_bin, "sandbox", "step",
    "--name", var.sovereign_name,
    "--index", tostring(var.sandbox_index),
  ]

  environment = {
    CATALYST_HOME  = var.catalyst_home
    CATALYST_CACHE = var.catalyst_cache
    CATALYST_SPEC_JSON = jsonencode({
      deployment_id              = var.deployment_id
      sovereign_name             = var.sovereign_name
      sovereign_fqdn             = var.sovereign_fqdn
      org_name                   = var.org_name
      org_email                  = var.org_email
      sandbox_index              = var.sandbox_index
      network_prefix             = var.network_prefix
      gitops_repo_url            = var.gitops_repo_url
      gitops_branch              = var.gitops_branch
      catalyst_api_url           = var.catalyst_api_url
      kubeconfig_bearer_file     = var.kubeconfig_bearer_file
      ghcr_pull_credentials_file = var.ghcr_pull_credentials_file
    })
  }
}

# Created first, and unable to fail: OpenTofu skips the destroy provisioners of a tainted object, so the
# one that cleans up must sit on an object that nothing can taint. Its own step only records the
# intent; if even that fails, the next step says so.
resource "terraform_data" "host" {
  input = {
    sovereign_name = var.sovereign_name
    deployment_id  = var.deployment_id
    catalyst_bin   = var.catalyst_bin
    catalyst_home  = var.catalyst_home
    catalyst_cache = var.catalyst_cache
  }

  provisioner "local-exec" {
    interpreter = local.step
    command     = "host"
    environment = local.environment
    on_failure  = continue
  }

  # Takes everything down, however far creation came: link, node and all processes.
  provisioner "local-exec" {
    when        = destroy
    interpreter = [self.output.catalyst_bin, "sandbox", "down"]
    command     = self.output.sovereign_name
    environment = {
      CATALYST_HOME  = self.output.catalyst_home
      CATALYST_CACHE = self.output.catalyst_cache
    }
  }
}

# The network namespace, the link into it, the rules on the host's end, and the outside's front.
resource "terraform_data" "link" {
  input = {
    host_ip = local.host_ip
    node_ip = local.node_ip
  }

  provisioner "local-exec" {
    interpreter = local.step
    command     = "link"
    environment = local.environment
  }

  depends_on = [terraform_data.host]
}

# The node's first process, with etcd, containerd, kubelet and the control plane under it.
resource "terraform_data" "node" {
  input = {
    node_ip        = local.node_ip
    sovereign_fqdn = var.sovereign_fqdn
  }

  provisioner "local-exec" {
    interpreter = local.step
    command     = "node"
    environment = local.environment
  }

  depends_on = [terraform_data.link]
}

# Done when the API server answers /readyz. First boot then goes on inside the node by itself.
resource "terraform_data" "control_plane" {
  input = {
    api_server = "https://${local.node_ip}:6443"
  }

  provisioner "local-exec" {
    interpreter = local.step
    command     = "control-plane"
    environment = local.environment
  }

  depends_on = [terraform_data.node]
}
