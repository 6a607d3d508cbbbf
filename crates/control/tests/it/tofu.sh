#!/bin/sh
# Stands for `tofu` where the infrastructure is not what a test is about. Files in the house's
# folder change what it does: `hang` makes every call hang, `hold` the apply until `posted` is there.
house=../..
[ -e $house/hang ] && echo $$ > pid && exec sleep 60
for word in "$@"; do case $word in
  init) exit 0 ;;
  plan) echo plan > tfplan.new; exit 0 ;;
  apply)
    while [ -e tfplan.used ] && [ -e $house/hold ] && [ ! -e $house/posted ]; do sleep 0.05; done
    echo '{"version":4,"serial":1,"lineage":"x","resources":[]}' > terraform.tfstate
    exit 0 ;;
  output) cat <<'END'
{"control_plane_ip":{"value":"10.210.0.2"},"load_balancer_ip":{"value":"10.210.0.2"},
 "console_url":{"value":"https://console.sov1.example.org"},
 "gitops_repo_url":{"value":"https://gitea.sov1.example.org"},
 "api_server":{"value":"https://10.210.0.2:6443"}}
END
  exit 0 ;;
esac; done
