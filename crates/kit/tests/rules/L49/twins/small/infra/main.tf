resource "hcloud_server" "cp" {
  user_data = templatefile("${path.module}/cloud-init.tftpl", {
    fqdn   = var.fqdn
    bearer = random_password.bearer.result
    nodes  = { count = 3 }
  })
}
