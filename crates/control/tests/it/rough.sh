#!/bin/sh
# Stands for a `tofu` on a bad day. Files in the house's folder change what the full apply does:
# `empty` and `torn` leave such a state and kill it, `child` leaves a child behind, `fail` ends it
# with diagnostics, `hold` makes it wait until `go` is there; `undoes` makes each plan replace the
# node. Every call is a line in `calls`, and so is an apply beside another one.
house=../..
verb= target=
for word in "$@"; do case $word in
  init | plan | apply | destroy | output) [ "$verb" ] || verb=$word ;;
  -target=*) target=" host" ;;
esac; done
echo "$verb$target" >> calls
whole() { echo '{"version":4,"serial":1,"lineage":"x","resources":[]}' > terraform.tfstate; }
says() { echo "{\"type\":\"$1\",\"hook\":{\"resource\":{\"addr\":\"terraform_data.$2\"},\"action\":\"create\"}}"; }
case $verb in
  plan)
    [ -e $house/undoes ] &&
      echo '{"type":"planned_change","change":{"resource":{"addr":"terraform_data.node"},"action":"replace"}}'
    echo plan > tfplan.new ;;
  destroy) whole ;;
  output) cat <<'END' || exit 1
{"control_plane_ip":{"value":"10.210.0.2"},"load_balancer_ip":{"value":"10.210.0.2"},
 "console_url":{"value":"https://console.sov1.example.org"},
 "gitops_repo_url":{"value":"https://gitea.sov1.example.org"},
 "api_server":{"value":"https://10.210.0.2:6443"}}
END
  ;;
  apply)
    if [ "$target" ]; then whole; exit 0; fi
    mkdir applying || echo race >> calls
    says apply_start node
    if [ -e $house/child ]; then
      rm $house/child
      (sleep 1; says apply_complete node; rmdir applying; echo > child.done) &
    fi
    if [ -e $house/empty ]; then rm $house/empty; : > terraform.tfstate; kill -KILL $$; fi
    if [ -e $house/torn ]; then
      rm $house/torn; rmdir applying; printf '{"version":4,"ser' > terraform.tfstate; kill -KILL $$
    fi
    if [ -e $house/fail ]; then
      rm $house/fail; rmdir applying
      echo '{"type":"apply_errored","hook":{"resource":{"addr":"terraform_data.node"},"action":"create"}}'
      printf '%s\n' '{"type":"diagnostic","diagnostic":{"severity":"error","summary":"local-exec provisioner error","detail":"Error running command: exit status 3. Output: starting\nCAT-3204 no room for etcd","address":"terraform_data.node"}}'
      printf 'the last word, unfinished' >&2
      exit 1
    fi
    while [ -e $house/hold ] && [ ! -e $house/go ]; do sleep 0.05; done
    says apply_complete node; whole; rmdir applying ;;
esac
exit 0
