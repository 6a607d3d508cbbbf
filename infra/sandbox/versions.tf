# Only the built-in resource terraform_data is used: `init` downloads no provider.
terraform {
  required_version = ">= 1.10.0"
}
