locals {
  user_data = base64gzip(templatefile("${path.module}/cloud-init.tftpl", {
    fqdn = var.fqdn
  }))
}
