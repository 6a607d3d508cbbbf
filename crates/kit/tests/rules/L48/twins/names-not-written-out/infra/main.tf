locals {
  user_data = templatefile("${path.module}/cloud-init.tftpl", merge(local.names, { a = 1 }))
}
