variable "deployment_id" {
  description = "Id of the deployment record this node belongs to."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{16}$", var.deployment_id))
    error_message = "deployment_id must be 16 lower-case hexadecimal digits."
  }
}

variable "sovereign_name" {
  description = "Short name: names the node's namespace, folders and link."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,14}$", var.sovereign_name))
    error_message = "sovereign_name must be 1 to 15 of a-z, 0-9 and '-', and begin with a letter."
  }
}

variable "sovereign_fqdn" {
  description = "The Sovereign's name in the world."
  type        = string

  validation {
    condition     = length(var.sovereign_fqdn) <= 253 && can(regex("^[a-z][a-z0-9-]*(\\.[a-z][a-z0-9-]*)+$", var.sovereign_fqdn))
    error_message = "sovereign_fqdn must be a lower-case host name with at least one dot."
  }
}

variable "org_name" {
  description = "Name of the organisation that owns the Sovereign."
  type        = string

  validation {
    condition     = length(trimspace(var.org_name)) > 0 && length(var.org_name) <= 200
    error_message = "org_name must have 1 to 200 characters."
  }
}

variable "org_email" {
  description = "Address of the organisation's operator."
  type        = string

  validation {
    condition     = can(regex("^[^@[:space:]]+@[^@[:space:]]+\\.[^@[:space:]]+$", var.org_email))
    error_message = "org_email must be a mail address."
  }
}

variable "sandbox_index" {
  description = "Number of the Sovereign on this machine; its link network is derived from it."
  type        = number

  validation {
    condition     = var.sandbox_index >= 0 && var.sandbox_index <= 15 && floor(var.sandbox_index) == var.sandbox_index
    error_message = "sandbox_index must be a whole number from 0 to 15."
  }
}

variable "network_prefix" {
  description = "First three octets of the link network, for example 10.210.0: the host has .1, the node .2."
  type        = string

  validation {
    condition     = can(cidrhost("${var.network_prefix}.0/24", 2)) && can(regex("^(10\\.|172\\.(1[6-9]|2[0-9]|3[01])\\.|192\\.168\\.)", var.network_prefix))
    error_message = "network_prefix must be three octets of a private network."
  }
}

variable "gitops_repo_url" {
  description = "Repository that the Sovereign's Flux follows."
  type        = string

  validation {
    condition     = can(regex("^https://[^@[:space:]]+$", var.gitops_repo_url))
    error_message = "gitops_repo_url must be an https URL without credentials."
  }
}

variable "gitops_branch" {
  description = "Branch of that repository."
  type        = string
  default     = "main"

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9._/-]*$", var.gitops_branch))
    error_message = "gitops_branch must be the name of a branch."
  }
}

variable "catalyst_api_url" {
  description = "Public address of the mothership; the node puts its kubeconfig there."
  type        = string

  validation {
    condition     = can(regex("^https://[^@[:space:]]+$", var.catalyst_api_url))
    error_message = "catalyst_api_url must be an https URL without credentials."
  }
}

variable "kubeconfig_bearer_file" {
  description = "Path of a file, mode 0600, with the one-time bearer for the kubeconfig. The bearer itself never enters the state."
  type        = string

  validation {
    condition     = startswith(var.kubeconfig_bearer_file, "/")
    error_message = "kubeconfig_bearer_file must be an absolute path."
  }
}

variable "ghcr_pull_credentials_file" {
  description = "Path of a file, mode 0600, with the registry's credentials: {registry, username, password}. They never enter the state."
  type        = string

  validation {
    condition     = startswith(var.ghcr_pull_credentials_file, "/")
    error_message = "ghcr_pull_credentials_file must be an absolute path."
  }
}

variable "catalyst_bin" {
  description = "Path of the `catalyst` command that carries the steps out."
  type        = string

  validation {
    condition     = startswith(var.catalyst_bin, "/")
    error_message = "catalyst_bin must be an absolute path."
  }
}

variable "catalyst_home" {
  description = "Folder of the state of this installation (CATALYST_HOME)."
  type        = string

  validation {
    condition     = startswith(var.catalyst_home, "/")
    error_message = "catalyst_home must be an absolute path."
  }
}

variable "catalyst_cache" {
  description = "Folder of the tools and images (CATALYST_CACHE)."
  type        = string

  validation {
    condition     = startswith(var.catalyst_cache, "/")
    error_message = "catalyst_cache must be an absolute path."
  }
}
